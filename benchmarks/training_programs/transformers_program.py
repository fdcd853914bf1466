"""Trains D-FINE with transformers' Trainer, settings and augmentation of its example for object detection.

Needs transformers, accelerate, albumentations and pycocotools.
"""

import contextlib
import io
import math
import sys
import time
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import torch
import transformers
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.training_programs.coco_folder import category_ids, class_names, coco_result, image_boxes, read_part
from benchmarks.training_programs.run_log import Job, Result, RunLog

_PROBE_STEPS = 12
_MARGIN = 0.02  # of the budget, for epochs that take longer than the probe
_MAX_DETECTIONS = 100
Json = dict[str, Any]


def main() -> None:
    """Measure some steps, then train as many epochs as fit into the budget."""
    job = Job.from_json(sys.argv[1])
    torch.set_num_threads(job.threads)
    transformers.set_seed(job.seed)
    processor = _processor(job)
    step_s, validation_s = _measure(job, processor)
    parts = Images(job, "train", processor, augment=True), Images(job, "val", processor, augment=False)
    steps = math.ceil(len(parts[0]) / job.options["batch"])
    left = job.left() - _MARGIN * job.budget_s
    epochs = max(1, int(left / (steps * step_s + validation_s)))
    log = RunLog(job)
    trainer = _trainer(job, *parts, num_train_epochs=epochs)
    trainer.add_callback(Validations(job, log, trainer, len(parts[0])))
    trainer.train()
    log.finish(
        lambda folder: _predict(job, folder, processor),
        epochs=epochs,
        versions={name: sys.modules[name].__version__ for name in ("transformers", "torch", "albumentations")},
        settings={"batch": job.options["batch"], "lr": job.options["lr"]},
    )


def _processor(job: Job) -> Any:
    size = {"height": job.size, "width": job.size}
    return transformers.AutoImageProcessor.from_pretrained(job.options["model"], size=size)


def _trainer(job: Job, train: "Images", val: "Images", **more: Any) -> transformers.Trainer:
    names = dict(enumerate(train.names))
    network = transformers.AutoModelForObjectDetection.from_pretrained(
        job.options["model"],
        id2label=names,
        label2id={name: index for index, name in names.items()},
        ignore_mismatched_sizes=True,
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(job.folder / "trainer"),
        per_device_train_batch_size=job.options["batch"],
        per_device_eval_batch_size=job.options["batch"],
        learning_rate=job.options["lr"],
        weight_decay=1e-4,
        max_grad_norm=0.01,
        lr_scheduler_type="cosine",
        eval_strategy="epoch",
        eval_do_concat_batches=False,
        save_strategy="no",  # the callback keeps the best weights, without the optimizer
        logging_strategy="epoch",
        remove_unused_columns=False,
        dataloader_num_workers=job.threads,
        dataloader_persistent_workers=True,
        seed=job.seed,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        **more,
    )
    return transformers.Trainer(
        model=network,
        args=arguments,
        train_dataset=train,
        eval_dataset=val,
        data_collator=_collate,
        compute_metrics=val.metrics,
    )


def _measure(job: Job, processor: Any) -> tuple[float, float]:
    """Seconds of a step and of a validation, from a short training whose network is thrown away."""
    ends: list[float] = []

    class Times(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.monotonic())

    train, val = Images(job, "train", processor, augment=True), Images(job, "val", processor, augment=False)
    trainer = _trainer(job, train, val, max_steps=min(_PROBE_STEPS, math.ceil(len(train) / job.options["batch"])))
    trainer.add_callback(Times())
    trainer.train()
    validation_s = time.monotonic() - ends[-1]
    counted = ends[1:] if len(ends) > 2 else ends  # the first step is slower
    return (counted[-1] - counted[0]) / max(1, len(counted) - 1), validation_s


class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A part of the data as the network takes it."""

    def __init__(self, job: Job, part: str, processor: Any, *, augment: bool) -> None:
        self._folder, self._processor = job.data_folder / "images", processor
        self._document = read_part(job.data_folder, part)
        self._boxes, self._ids = image_boxes(self._document), category_ids(self._document)
        self._augment = _augmentation(job.size) if augment else None
        self.names = class_names(self._document)

    def __len__(self) -> int:
        return len(self._document["images"])

    def __getitem__(self, index: int) -> Any:
        entry = self._document["images"][index]
        pixels = np.asarray(Image.open(self._folder / entry["file_name"]).convert("RGB"))
        objects = self._boxes[entry["id"]]
        boxes, classes = [box for _, box in objects], [index for index, _ in objects]
        if self._augment is not None:
            made = self._augment(image=pixels, bboxes=boxes, category=classes)
            pixels, boxes, classes = made["image"], made["bboxes"], made["category"]
        rows = [_annotation(entry["id"], int(index), box) for index, box in zip(classes, boxes, strict=True)]
        target = {"image_id": entry["id"], "annotations": rows}
        ready = self._processor(images=pixels, annotations=target, return_tensors="pt")
        return {"pixel_values": ready["pixel_values"][0], "labels": ready["labels"][0]}

    def metrics(self, found: Any) -> dict[str, float]:
        """AP on this part by pycocotools, from the outputs of all batches."""
        results: list[Result] = []
        sizes = {image["id"]: (image["width"], image["height"]) for image in self._document["images"]}
        for outputs, labels in zip(found.predictions, found.label_ids, strict=True):
            logits, boxes = torch.tensor(outputs[1]), torch.tensor(outputs[2])
            image_ids = [int(np.ravel(label["image_id"])[0]) for label in labels]
            results += _results(logits, boxes, image_ids, sizes, self._ids)
        return {"map": coco_ap(self._document, results)}


def _augmentation(size: int) -> albumentations.Compose:
    crop = [
        albumentations.SmallestMaxSize(max_size=size, p=1.0),
        albumentations.RandomSizedBBoxSafeCrop(height=size, width=size, p=1.0),
    ]
    blur = [
        albumentations.Blur(blur_limit=7, p=0.5),
        albumentations.MotionBlur(blur_limit=7, p=0.5),
        albumentations.Defocus(radius=(1, 5), alias_blur=(0.1, 0.25), p=0.1),
    ]
    colors = [albumentations.RandomBrightnessContrast(p=0.5), albumentations.HueSaturationValue(p=0.1)]
    return albumentations.Compose(
        [
            albumentations.Compose(crop, p=0.2),
            albumentations.OneOf(blur, p=0.1),
            albumentations.Perspective(p=0.1),
            albumentations.HorizontalFlip(p=0.5),
            *colors,
        ],
        bbox_params=albumentations.BboxParams(format="pascal_voc", label_fields=["category"], clip=True, min_area=25),
    )


def _annotation(image_id: int, index: int, box: Any) -> Json:
    row = coco_result(image_id, index, [float(value) for value in box], 1.0)
    return row | {"iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3]}


def _collate(items: list[Any]) -> Json:
    return {
        "pixel_values": torch.stack([item["pixel_values"] for item in items]),
        "labels": [item["labels"] for item in items],
    }


class Validations(transformers.TrainerCallback):
    """Notes each validation, and keeps the best weights."""

    def __init__(self, job: Job, log: RunLog, trainer: transformers.Trainer, images: int) -> None:
        self._job, self._log, self._trainer, self._images = job, log, trainer, images
        self._best = -1.0

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Json, **_: Any) -> None:
        """Called after each validation; ends a run whose budget is used up."""
        ap, epoch = metrics["eval_map"], round(state.epoch)
        is_best = ap >= self._best
        self._best = max(self._best, ap)
        network = self._trainer.model
        self._log.add(
            epoch=epoch, images=epoch * self._images, ap=ap, save=network.save_pretrained if is_best else None
        )
        control.should_training_stop |= self._job.left() < 0


def _results(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    image_ids: list[int],
    sizes: dict[int, tuple[int, int]],
    categories: list[int],
) -> list[Result]:
    """The most confident classes of the queries as COCO results.

    logits  [N, Q, K]
    boxes   [N, Q, 4]: center, width and height as shares of the image
    """
    results: list[Result] = []
    classes = logits.shape[-1]
    for image_id, scores, centers in zip(image_ids, logits.sigmoid().flatten(1), boxes, strict=True):
        best, order = scores.topk(min(_MAX_DETECTIONS, len(scores)))
        extent = centers[:, 2:]
        corners = torch.cat((centers[:, :2] - extent / 2, centers[:, :2] + extent / 2), 1)
        corners *= torch.tensor([*sizes[image_id], *sizes[image_id]])
        results += [
            coco_result(image_id, categories[flat % classes], corners[flat // classes].tolist(), score)
            for score, flat in zip(best.tolist(), order.tolist(), strict=True)
        ]
    return results


def coco_ap(document: Json, results: list[Result]) -> float:
    """AP of results by pycocotools; 0 without results."""
    if not results:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def _predict(job: Job, folder: Path, processor: Any) -> list[Result]:
    document = read_part(job.data_folder, "test")
    network = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
    sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    results: list[Result] = []
    for image in document["images"]:
        pixels = Image.open(job.data_folder / "images" / image["file_name"]).convert("RGB")
        with torch.inference_mode():
            outputs = network(**processor(images=pixels, return_tensors="pt"))
        results += _results(outputs.logits, outputs.pred_boxes, [image["id"]], sizes, category_ids(document))
    return results


if __name__ == "__main__":
    main()
