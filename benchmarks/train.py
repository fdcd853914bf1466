"""Races `detcli train` against a plain transformers training loop on the same model and images, in one run.

    python benchmarks/train.py --size n --steps 20 --rounds 3

Needs the `test` extra (transformers is the rival). Each contender is a process of its own, run in turn, round after
round, so that a machine whose speed drifts is fair to all; medians are printed, and ratios above 1 are ours. Weights
are random (seeded) and images are drawn shapes of 640 x 480 as JPEGs with COCO annotations; both sides decode them,
resize them, flip half of them, and take steps of AdamW with clipped gradients in float32 on the same batches' worth.

    detcli        the loop of `detcli train`, with its moving average of weights and all losses of the original
    transformers  DataLoader, image processor, DFineForObjectDetection, loss.backward(), AdamW: what its guide shows

Both time the steps after the first three. Peak memory is the process's own, read from the system.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

WARM_UP_STEPS = 3


def main() -> None:
    """Make the material, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="n", choices=list("nsmlx"))
    parser.add_argument("--side", type=int, default=640, help="side of the network's input")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="reading threads here, DataLoader's processes there")
    parser.add_argument("--child", choices=list(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        report = CHILDREN[arguments.child](arguments)
        report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(report))
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        make_material(arguments)
        reports: dict[str, list[dict[str, Any]]] = {name: [] for name in CHILDREN}
        for round_ in range(arguments.rounds):
            for name in CHILDREN:
                print(f"round {round_ + 1}: {name}", file=sys.stderr)
                reports[name].append(run_child(name, arguments))
        print_table(arguments, reports)


def make_material(arguments: argparse.Namespace) -> None:
    """Annotated images, and a checkpoint with random weights as both sides load it."""
    import torch
    from PIL import Image

    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.datasets.shapes import ShapesDataset, draw
    from detcli.models.dfine import FAMILY
    from detcli.models.dfine.published import published_config

    names = ShapesDataset("shapes", part="train", images=None, classes=None).labels.names
    images, annotations = [], []
    (arguments.work / "images").mkdir()
    for index in range(arguments.batch * arguments.steps):
        pixels, truths = draw(0, index, size_hw=(480, 640))
        name = f"{index:05d}.jpg"
        Image.fromarray(pixels).save(arguments.work / "images" / name, quality=90)
        images.append({"id": index + 1, "file_name": name, "width": 640, "height": 480})
        for box, class_id in zip(truths.boxes_xyxy.tolist(), truths.class_ids.tolist(), strict=True):
            width, height = box[2] - box[0], box[3] - box[1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": class_id + 1,
                    "bbox": [box[0], box[1], width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(names)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    (arguments.work / "truth.json").write_text(json.dumps(truth))
    config = published_config(arguments.size, names)
    torch.manual_seed(0)
    network = FAMILY.build(config)
    preprocessor = {
        "image_processor_type": "RTDetrImageProcessor",
        "size": {"height": arguments.side, "width": arguments.side},
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
        "do_pad": False,
        "resample": 2,
    }
    tensors = FAMILY.write_weights(network.state_dict(), config)
    write_checkpoint(arguments.work / "model", FAMILY.write_config(config), preprocessor, tensors)


def run_child(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One contender as a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--work", str(arguments.work)]
    for option in ("side", "batch", "steps", "workers"):
        command += [f"--{option}", str(getattr(arguments, option))]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    report: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return report


def rate(batch: int, ends: list[float]) -> float:
    """Images a second between the end of the warm-up and the end of the last step."""
    return batch * (len(ends) - WARM_UP_STEPS) / (ends[-1] - ends[WARM_UP_STEPS - 1])


def transformers_(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the guide of transformers shows, with a loader that reads ahead."""
    import torch
    import transformers
    from PIL import Image
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    truth = json.loads((arguments.work / "truth.json").read_text())
    processor = RTDetrImageProcessorPil.from_pretrained(arguments.work / "model")
    of_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        of_image[annotation["image_id"]].append(annotation)

    class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(truth["images"])

        def __getitem__(self, index: int) -> Any:
            entry = truth["images"][index]
            image = Image.open(arguments.work / "images" / entry["file_name"]).convert("RGB")
            # Its labels are the category ids as they stand, and must count from 0.
            found = [one | {"category_id": one["category_id"] - 1} for one in of_image[entry["id"]]]
            if index % 2:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                found = [
                    one | {"bbox": [entry["width"] - one["bbox"][0] - one["bbox"][2], *one["bbox"][1:]]}
                    for one in found
                ]
            target = {"image_id": entry["id"], "annotations": found}
            return processor(images=image, annotations=target, return_tensors="pt")

    def collate(items: list[Any]) -> tuple[Any, list[Any]]:
        return torch.cat([item["pixel_values"] for item in items]), [item["labels"][0] for item in items]

    model = transformers.DFineForObjectDetection.from_pretrained(arguments.work / "model").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    loader = torch.utils.data.DataLoader(
        Images(), arguments.batch, shuffle=True, collate_fn=collate, num_workers=arguments.workers, drop_last=True
    )
    ends = []
    for pixels, labels in loader:
        loss = model(pixel_values=pixels, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        ends.append(time.perf_counter())
    return {"rate": rate(arguments.batch, ends)}


def detcli_(arguments: argparse.Namespace) -> dict[str, Any]:
    """The loop of `detcli train`, for one epoch over the same images."""
    from detcli.datasets.dataset import open_dataset
    from detcli.training.initialization import starting_point
    from detcli.training.recipes.recipe import recipe_for
    from detcli.training.training_events import Event, TrainingStep
    from detcli.training.training_loop import TrainingJob, train

    data = open_dataset(str(arguments.work / "truth.json"), images=arguments.work / "images")
    calm = {"photometric": 0.0, "zoom_out": 0.0, "iou_crop": 0.0, "multi_scale_repeat": 0, "stop_augmentation_epoch": 0}
    size = {"image_size": [arguments.side, arguments.side], "batch": arguments.batch, "epochs": 1}
    recipe = recipe_for("dfine-n").merged(calm | size)
    start = starting_point(str(arguments.work / "model"), scratch=False, names=data.labels.names, recipe=recipe)
    ends: list[float] = []

    def note_the_time(event: Event) -> None:
        if isinstance(event, TrainingStep):
            ends.append(time.perf_counter())

    job = TrainingJob(
        recipe=recipe,
        family=start.family,
        config=start.config,
        state=start.state,
        preprocessor=start.preprocessor,
        data=data,
        val=None,
        run=arguments.work / f"run-{time.time_ns()}",
        device="cpu",
        workers=arguments.workers,
    )
    train(job, observer=note_the_time)
    return {"rate": rate(arguments.batch, ends)}


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "detcli": detcli_,
    "transformers": transformers_,
}


def print_table(arguments: argparse.Namespace, reports: dict[str, list[dict[str, Any]]]) -> None:
    """Figures of each contender, then the ratios."""
    import torch

    found = {
        name: {figure: statistics.median(report[figure] for report in all_) for figure in all_[0]}
        for name, all_ in reports.items()
    }
    print(
        f"D-FINE {arguments.size} at {arguments.side} x {arguments.side}, {arguments.batch} images a step, "
        f"{arguments.steps} steps, {torch.get_num_threads()} threads, {arguments.rounds} rounds, medians"
    )
    print(f"{'':22}{'detcli':>14}{'transformers':>14}")
    for figure, unit in (("rate", "images/s"), ("peak_mib", "peak MiB")):
        print(f"{unit:22}" + "".join(f"{found[name][figure]:14.2f}" for name in CHILDREN))
    ours, theirs = found["detcli"], found["transformers"]
    print("\nratios")
    print(f"  rate, detcli / transformers         {ours['rate'] / theirs['rate']:.2f}")
    print(f"  peak memory, detcli / transformers  {ours['peak_mib'] / theirs['peak_mib']:.2f}")


if __name__ == "__main__":
    main()
