"""Options of other detection programs, and what detcli has instead: ultralytics, yolov5, RF-DETR, transformers, detectron2.

A name is written with dashes; `name=value` and `--name_with_underscores` are looked up the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Answer:
    """What to use instead of a foreign option.

    use        our options; {} is the value
    why        one sentence, where there is none: the reason, and what to use
    has_value  the foreign option is followed by a value
    """

    use: str = ""
    why: str = ""
    has_value: bool = True


DETECTING = ("detect", "segment", "video")
FILTERING = (*DETECTING, "eval")
TILING = ("detect", "video")

_NO_TILES = "tiles are for boxes, an option of 'detcli detect' and 'video': --tile SIZE"
_NO_NMS = "non-maximum suppression is an option of 'detcli detect', 'video', 'segment' and 'eval': --nms IOU"
_CHECKPOINTS = "the models 'best' and 'last' are saved after every epoch, and the state for --resume every 5 minutes"
_NO_LOG_FOLDER = "logs are in the run folder: --output RUN"
_NO_UPLOAD = "models are not uploaded; RUN/best is a folder that the Hub and transformers accept"
_CLASS_NAMES = "class names come with the model"
_ALWAYS_SCORES = "results always have the scores"
_NO_TTA = "there is no test-time augmentation; a larger --imgsz or a larger model finds more"
_NO_CODE = "models of the Hub are read as data, and no code of theirs is run"
_TOKEN = "set HF_TOKEN in the environment"  # noqa: S105 - advice, no password
_AUGMENTATION = "the recipe of the model augments the images; --mosaic and --set NAME=VALUE change it"
_ARCHITECTURE = "the architecture comes with the model: --model NAME"
_PROCESSES = "several GPUs are --device 0,1 or --device cuda:all, processes on the CPU --device cpu:2"
_LOADING = "images are read from disk in --workers threads and are not cached"

_NMS: Mapping[str, Answer] = {"": Answer(why=_NO_NMS), **dict.fromkeys(FILTERING, Answer("--nms {}"))}
_TILE: Mapping[str, Answer] = {"": Answer(why=_NO_TILES), **dict.fromkeys(TILING, Answer("--tile {}"))}
_TILE_OVERLAP: Mapping[str, Answer] = {"": Answer(why=_NO_TILES), **dict.fromkeys(TILING, Answer("--tile-overlap {}"))}

# Name -> the answer of all commands, or answers by command; "" is that of the others.
_ANSWERS: Mapping[str, Answer | Mapping[str, Answer]] = {
    # model
    "weights": {"": Answer("--model {}"), "export": Answer("{}")},
    "ckpt": Answer("--model {}"),
    "checkpoint": Answer("--model {}"),
    "pretrained-weights": Answer("--model {}"),
    "pretrained": {
        "": Answer("--model {}"),
        "train": Answer(why="training starts from the weights of --model; --scratch starts without"),
    },
    "pretrain-weights": Answer("--model {}"),
    "model-name-or-path": Answer("--model {}"),
    "model-name": Answer("--model {}"),
    "model-path": Answer("--model {}"),
    "encoder": Answer(why=_ARCHITECTURE),
    "cfg": Answer(why=_ARCHITECTURE),
    "config-file": Answer(why=_ARCHITECTURE),
    "config-name": Answer(why=_ARCHITECTURE),
    "model-revision": Answer("--revision {}"),
    "local-files-only": Answer("--offline", has_value=False),
    "trust-remote-code": Answer(why=_NO_CODE, has_value=False),
    "token": Answer(why=_TOKEN),
    "hub-token": Answer(why=_TOKEN),
    "use-auth-token": Answer(why=_TOKEN),
    # inputs
    "source": {"": Answer("{}"), "train": Answer("--data {}"), "eval": Answer("--data {}")},
    "input": {"": Answer("{}"), "train": Answer("--data {}"), "eval": Answer("--data {}")},
    "image": {"": Answer("{}"), "train": Answer("--data {}"), "eval": Answer("--data {}")},
    "images": Answer("{}"),
    "image-path": Answer("{}"),
    "img-path": Answer("{}"),
    "input-dir": Answer("{}"),
    "input-path": Answer("{}"),
    "video-input": Answer("{}"),
    "webcam": {
        "": Answer(why="'detcli video cam0' reads the first camera", has_value=False),
        "video": Answer("cam0", has_value=False),
    },
    "data": Answer(why=_CLASS_NAMES),
    "dataset": {"": Answer("--data {}"), **dict.fromkeys(DETECTING, Answer("{}"))},
    "dataset-dir": {"": Answer("--data {}"), **dict.fromkeys(DETECTING, Answer("{}"))},
    "dataset-name": Answer(why="data sets are folders or files on this machine: --data DIR"),
    "dataset-file": Answer(why="the layout of --data is recognized: COCO, YOLO or shapes"),
    "data-dir": {"": Answer("--data {}"), **dict.fromkeys(DETECTING, Answer("{}"))},
    "data-path": {"": Answer("--data {}"), **dict.fromkeys(DETECTING, Answer("{}"))},
    "coco-path": Answer("--data {}"),
    "train-dir": Answer("--data {}"),
    "train-file": Answer("--data {}"),
    "validation-dir": Answer("--val {}"),
    "validation-file": Answer("--val {}"),
    "val-data": Answer("--val {}"),
    "annotations": {"": Answer("--gt {}"), "train": Answer("--data {}")},
    "ann-file": {"": Answer("--gt {}"), "train": Answer("--data {}")},
    "vid-stride": Answer("--stride {}"),
    "stream": Answer(
        why="images and frames are always read and written one after another, in little memory", has_value=False
    ),
    "stream-buffer": Answer("--no-live", has_value=False),
    # filtering
    "conf": Answer("--threshold {}"),
    "conf-thres": Answer("--threshold {}"),
    "conf-thresh": Answer("--threshold {}"),
    "conf-threshold": Answer("--threshold {}"),
    "confidence": Answer("--threshold {}"),
    "confidence-threshold": Answer("--threshold {}"),
    "score-thr": Answer("--threshold {}"),
    "score-threshold": Answer("--threshold {}"),
    "pred-score-thr": Answer("--threshold {}"),
    "min-score": Answer("--threshold {}"),
    "iou": _NMS,
    "iou-thres": _NMS,
    "iou-threshold": _NMS,
    "nms": {**_NMS, "export": Answer("--outputs boxes", has_value=False)},
    "nms-thresh": _NMS,
    "nms-threshold": _NMS,
    "agnostic-nms": {
        "": Answer(why=_NO_NMS, has_value=False),
        **dict.fromkeys(FILTERING, Answer("--nms-agnostic", has_value=False)),
    },
    "max-detections": Answer("--max-det {}"),
    "num-select": Answer("--max-det {}"),
    "class-names": Answer(why=_CLASS_NAMES),
    "img": Answer("--imgsz {}"),
    "img-size": Answer("--imgsz {}"),
    "image-size": Answer("--imgsz {}"),
    "input-size": Answer("--imgsz {}"),
    "resolution": Answer("--imgsz {}"),
    "imgsz": Answer("--imgsz {}"),
    "tile": Answer(why=_NO_TILES),
    "slice": _TILE,
    "slice-size": _TILE,
    "slice-height": _TILE,
    "slice-width": _TILE,
    "tile-size": _TILE,
    "overlap-ratio": _TILE_OVERLAP,
    "overlap-height-ratio": _TILE_OVERLAP,
    "overlap-width-ratio": _TILE_OVERLAP,
    "rect": Answer(why="models that keep the aspect ratio do so without an option", has_value=False),
    "retina-masks": Answer(why="masks always have the resolution of the image", has_value=False),
    "tracker": Answer("--track"),
    "persist": Answer("--track", has_value=False),
    # speed
    "half": Answer("--precision fp16", has_value=False),
    "fp16": Answer("--precision fp16", has_value=False),
    "bf16": Answer("--precision bf16", has_value=False),
    "fp32": Answer("--precision fp32", has_value=False),
    "tf32": Answer("--precision tf32", has_value=False),
    "amp": Answer("--precision fp16", has_value=False),
    "use-amp": Answer("--precision fp16", has_value=False),
    "no-amp": Answer("--precision fp32", has_value=False),
    "dtype": Answer("--precision {}"),
    "torch-dtype": Answer("--precision {}"),
    "int8": {
        "": Answer(
            why="int8 is a property of an exported file: 'detcli export --precision int8' writes one", has_value=False
        ),
        "export": Answer("--precision int8 --calibrate DIR", has_value=False),
    },
    "quantize": {"export": Answer("--precision int8 --calibrate DIR", has_value=False)},
    "dnn": Answer(why="OpenCV runs none of the networks; --runtime openvino or onnx does", has_value=False),
    "gpu": Answer("--device {}"),
    "gpus": Answer(why=_PROCESSES),
    "gpu-id": Answer("--device {}"),
    "gpu-ids": Answer("--device {}"),
    "cuda": Answer("--device cuda", has_value=False),
    "use-cuda": Answer("--device cuda", has_value=False),
    "use-gpu": Answer("--device cuda", has_value=False),
    "mps": Answer("--device mps", has_value=False),
    "use-mps-device": Answer("--device mps", has_value=False),
    "cpu": Answer("--device cpu", has_value=False),
    "use-cpu": Answer("--device cpu", has_value=False),
    "no-cuda": Answer("--device cpu", has_value=False),
    "accelerator": Answer("--device {}"),
    "num-gpus": Answer(why=_PROCESSES),
    "devices": Answer(why=_PROCESSES),
    "batch-size": Answer("--batch {}"),
    "per-device-train-batch-size": Answer("--batch {}"),
    "per-device-eval-batch-size": Answer("--batch {}"),
    "train-batch-size": Answer("--batch {}"),
    "eval-batch-size": Answer("--batch {}"),
    "ims-per-batch": Answer("--batch {}"),
    "num-workers": Answer("--workers {}"),
    "dataloader-num-workers": Answer("--workers {}"),
    "threads": Answer("--workers {}"),
    "torch-compile": Answer("--compile", has_value=False),
    # results
    "save": Answer("--save-images DIR", has_value=False),
    "save-img": Answer("--save-images DIR", has_value=False),
    "nosave": Answer(
        why="annotated images are written only with --save-images DIR; leave the option out", has_value=False
    ),
    "no-save": Answer(
        why="annotated images are written only with --save-images DIR; leave the option out", has_value=False
    ),
    "save-txt": Answer("--format yolo -o DIR", has_value=False),
    "save-conf": Answer(why=_ALWAYS_SCORES, has_value=False),
    "save-csv": Answer("-o FILE.csv", has_value=False),
    "save-json": {"": Answer("-o FILE.json", has_value=False)},
    "save-crop": Answer("--save-crops DIR", has_value=False),
    "save-frames": Answer(
        why="'detcli detect' writes annotated images of single frames: --save-images DIR", has_value=False
    ),
    "save-dir": {"": Answer("--save-images {}"), "train": Answer("-o {}"), "eval": Answer("-o FILE --save-plots {}")},
    "out": Answer("-o {}"),
    "outdir": Answer("-o {}"),
    "out-dir": Answer("-o {}"),
    "output-format": Answer("--format {}"),
    "out-file": Answer("-o {}"),
    "output-dir": Answer("-o {}"),
    "output-file": Answer("-o {}"),
    "output-path": Answer("-o {}"),
    "project": {"": Answer("-o DIR"), "train": Answer("-o RUN")},
    "name": {"": Answer("-o DIR"), "train": Answer("-o RUN")},
    "run-name": Answer("-o RUN"),
    "exist-ok": Answer("--if-exists overwrite", has_value=False),
    "overwrite": Answer("--if-exists overwrite", has_value=False),
    "overwrite-output-dir": Answer("--if-exists overwrite", has_value=False),
    "force": Answer("--if-exists overwrite", has_value=False),
    "view-img": {
        "": Answer(why="no window is opened for images; --save-images DIR writes them annotated", has_value=False),
        "video": Answer("--show", has_value=False),
    },
    "show": Answer(why="no window is opened for images; --save-images DIR writes them annotated", has_value=False),
    "hide-conf": Answer("--hide-scores", has_value=False),
    "show-conf": Answer(why="scores are drawn unless --hide-scores is given", has_value=False),
    "show-labels": Answer(why="class names are drawn unless --hide-labels is given", has_value=False),
    "show-boxes": Answer(why="boxes are always drawn in annotated images", has_value=False),
    "line-thickness": Answer("--line-width {}"),
    "visualize": Answer(why="feature maps are not shown; --save-images DIR writes annotated images", has_value=False),
    "plots": Answer("--save-plots DIR", has_value=False),
    "augment": {"": Answer(why=_NO_TTA, has_value=False), "train": Answer(why=_AUGMENTATION, has_value=False)},
    "tta": Answer(why=_NO_TTA, has_value=False),
    # training
    "num-train-epochs": Answer("--epochs {}"),
    "num-epochs": Answer("--epochs {}"),
    "max-epochs": Answer("--epochs {}"),
    "max-steps": Answer(why="training is measured in epochs: --epochs N"),
    "max-iter": Answer(why="training is measured in epochs: --epochs N"),
    "time": Answer("--max-hours {}"),
    "learning-rate": Answer("--lr {}"),
    "lr0": Answer("--lr {}"),
    "base-lr": Answer("--lr {}"),
    "lr-encoder": Answer("--set backbone_lr={}"),
    "lr-backbone": Answer("--set backbone_lr={}"),
    "lrf": Answer("--set final_factor={}"),
    "lr-scheduler": Answer(
        why="the schedule is part of the recipe: --set schedule=cosine, step, flat-cosine or constant"
    ),
    "lr-scheduler-type": Answer(
        why="the schedule is part of the recipe: --set schedule=cosine, step, flat-cosine or constant"
    ),
    "cos-lr": Answer("--set schedule=cosine", has_value=False),
    "lr-drop": Answer("--set schedule=step --set milestone_epochs=[{}]"),
    "warmup-steps": Answer("--set warmup_steps={}"),
    "warmup-epochs": Answer(why="the warm-up is measured in steps: --set warmup_steps=N"),
    "warmup-ratio": Answer(why="the warm-up is measured in steps: --set warmup_steps=N"),
    "weight-decay": Answer("--set weight_decay={}"),
    "momentum": Answer(why="the optimizer is AdamW; --set betas=[0.9, 0.999] changes its averages"),
    "optimizer": Answer(why="the published recipes use AdamW, and there is no other optimizer"),
    "optim": Answer(why="the published recipes use AdamW, and there is no other optimizer"),
    "max-grad-norm": Answer("--set clip={}"),
    "clip-max-norm": Answer("--set clip={}"),
    "grad-accum-steps": Answer("--accumulate {}"),
    "gradient-accumulation-steps": Answer("--accumulate {}"),
    "early-stopping": Answer("--patience N", has_value=False),
    "early-stopping-patience": Answer("--patience {}"),
    "mixup": Answer("--set mixup={}"),
    "copy-paste": Answer("--set copy_paste={}"),
    "hsv-h": Answer("--set hue=1 --set hue_shift={}"),
    "close-mosaic": Answer("--set stop_augmentation_epoch=N"),
    "hyp": Answer(why="hyperparameters are fields of a recipe: --recipe FILE.toml, or --set NAME=VALUE"),
    "use-ema": Answer(
        why="the moving average of the weights is part of the recipe: --set ema_decay=D", has_value=False
    ),
    "ema-decay": Answer("--set ema_decay={}"),
    "seed": Answer(why="results do not depend on random numbers; --deterministic makes them identical in every run"),
    "multi-scale": Answer(why="the size varies by the recipe: --set multi_scale_repeat=N", has_value=False),
    "single-cls": Answer(why="the classes are those of --data", has_value=False),
    "num-classes": Answer(why="the classes are those of --data"),
    "fraction": Answer("--set images_per_epoch=N"),
    "cache": Answer(why=_LOADING, has_value=False),
    "resume-from": Answer("-o RUN --resume"),
    "resume-from-checkpoint": Answer("-o RUN --resume"),
    "start-epoch": Answer("-o RUN --resume"),
    "save-period": Answer(why=_CHECKPOINTS),
    "save-steps": Answer(why=_CHECKPOINTS),
    "save-strategy": Answer(why=_CHECKPOINTS),
    "save-total-limit": Answer(why=_CHECKPOINTS),
    "checkpoint-interval": Answer(why=_CHECKPOINTS),
    "val-interval": Answer("--evaluate-every {}"),
    "eval-interval": Answer("--evaluate-every {}"),
    "eval-steps": Answer(why="evaluation follows epochs: --evaluate-every N"),
    "eval-strategy": Answer(why="every epoch is evaluated; --evaluate-every N changes that"),
    "evaluation-strategy": Answer(why="every epoch is evaluated; --evaluate-every N changes that"),
    "noval": Answer(why="--evaluate-every N evaluates less often", has_value=False),
    "do-train": Answer(why="'detcli train' trains; leave the option out", has_value=False),
    "do-eval": Answer(why="validation data is evaluated after every epoch; leave the option out", has_value=False),
    "do-predict": Answer(why="'detcli detect' detects objects", has_value=False),
    "eval-only": Answer(why="'detcli eval -m MODEL --data DATA' evaluates a model", has_value=False),
    "report-to": Answer("--log-to {}"),
    "tensorboard": Answer("--log-to tensorboard", has_value=False),
    "wandb": Answer("--log-to wandb", has_value=False),
    "logging-dir": Answer(why=_NO_LOG_FOLDER),
    "push-to-hub": Answer(why=_NO_UPLOAD, has_value=False),
    "hub-model-id": Answer(why=_NO_UPLOAD),
    "opts": Answer(why="fields of the recipe are set one by one: --set NAME=VALUE"),
    # the program itself
    "task": {"": Answer(why="the commands are tasks: detcli detect, segment, video, train, eval")},
    "mode": {"": Answer(why="the commands are modes: detcli detect, segment, video, train, eval")},
    "verbose": Answer("--verbose", has_value=False),
    # export: as ultralytics, yolov5 and RF-DETR name it
    "model": {"export": Answer("{}")},
    "format": {"export": Answer("--to {}")},
    "include": {"export": Answer("--to {}")},
    "dynamic": {"export": Answer("--batch dynamic", has_value=False)},
    "opset": Answer(why="the opset of an exported ONNX file is 17"),
    "simplify": Answer(why="runtimes simplify a graph when they load it; leave it out", has_value=False),
}
ANSWERS = MappingProxyType(_ANSWERS)


def answer_for(name: str, command: str) -> Answer | None:
    """The answer of a command such as "train" to the foreign option `name`, with or without dashes; None if unknown."""
    found = ANSWERS.get(name.lstrip("-").replace("_", "-").lower())
    if found is None or isinstance(found, Answer):
        return found
    return found.get(command, found.get(""))
