"""Compares the speed of `detcli train` and a plain transformers training loop on the same model and images.

    python benchmarks/train.py --size n --steps 20 --rounds 3

Needs the `test` extra (with transformers). Each program runs in a separate process, in turn for several rounds, so that
changes of the machine's speed affect all alike. Medians are printed; above 1 in a ratio, detcli is faster. Weights are
random (seeded) and images are synthetic shapes of 640 x 480 as JPEGs with COCO annotations. Both programs decode and
resize them, flip half of them, and train with AdamW and clipped gradients in float32 with the same batch size.

    detcli        the loop of `detcli train`, with the moving average of weights and all losses of the original
    transformers  DataLoader, image processor, DFineForObjectDetection, loss.backward(), AdamW, as in its guide

The first three steps are not counted. Peak memory is that of the process.

    python benchmarks/train.py --loader --size s --steps 10 --rounds 5

measures reading and augmenting alone: the processor time for an image with the published recipe, without augmentation, and
with each augmentation for all images.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks.harness import add_child_options, ran_as_child, run_in_turn, shown_ratio

WARM_UP_STEPS = 3


def main() -> None:
    """Make the inputs, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="n", choices=list("nsmlx"))
    parser.add_argument("--side", type=int, default=640, help="input side of the network")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--workers", type=int, default=2, help="reader threads of detcli, DataLoader processes of transformers"
    )
    parser.add_argument("--loader", action="store_true", help="measure reading and augmenting alone, without a network")
    add_child_options(parser, CHILDREN)
    arguments = parser.parse_args()
    if ran_as_child(CHILDREN, arguments):
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        make_inputs(arguments)
        if arguments.loader:
            from benchmarks.training_programs.loader_cost import print_loader_cost

            print_loader_cost(arguments)
            return
        reports = run_in_turn(__file__, list(CHILDREN), arguments, ("side", "batch", "steps", "workers"))
        print_table(arguments, reports)


def make_inputs(arguments: argparse.Namespace) -> None:
    """Write annotated images and a checkpoint with random weights for both programs."""
    import torch
    from PIL import Image

    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.datasets.shapes import ShapesDataset, draw
    from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations
    from detcli.models.dfine import FAMILY
    from detcli.models.dfine.published import published_config

    labels = ShapesDataset().labels
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (arguments.work / "images").mkdir()
    for index in range(arguments.batch * arguments.steps):
        pixels, ground_truth = draw(0, index, size_hw=(480, 640))
        name = f"{index:05d}.jpg"
        Image.fromarray(pixels).save(arguments.work / "images" / name, quality=90)
        images.append(coco_image(index + 1, name, size_hw=(480, 640)))
        annotations += ground_truth_annotations(ground_truth, labels, image_id=index + 1, first_id=len(annotations) + 1)
    document = {"images": images, "annotations": annotations, "categories": coco_categories(labels)}
    (arguments.work / "annotations.json").write_text(json.dumps(document))
    config = published_config(arguments.size, labels.names)
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


def rate(batch: int, ends: list[float]) -> float:
    """Images per second from the end of the warm-up to the end of the last step."""
    return batch * (len(ends) - WARM_UP_STEPS) / (ends[-1] - ends[WARM_UP_STEPS - 1])


def transformers_(arguments: argparse.Namespace) -> dict[str, Any]:
    """The loop of the transformers guide, with a prefetching loader."""
    import torch
    import transformers
    from PIL import Image
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    document = json.loads((arguments.work / "annotations.json").read_text())
    processor = RTDetrImageProcessorPil.from_pretrained(arguments.work / "model")
    of_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    for annotation in document["annotations"]:
        of_image[annotation["image_id"]].append(annotation)

    class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(document["images"])

        def __getitem__(self, index: int) -> Any:
            entry = document["images"][index]
            image = Image.open(arguments.work / "images" / entry["file_name"]).convert("RGB")
            # Labels are the category ids and must start at 0.
            annotations = [row | {"category_id": row["category_id"] - 1} for row in of_image[entry["id"]]]
            if index % 2:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                annotations = [
                    row | {"bbox": [entry["width"] - row["bbox"][0] - row["bbox"][2], *row["bbox"][1:]]}
                    for row in annotations
                ]
            target = {"image_id": entry["id"], "annotations": annotations}
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
    from detcli.training.recipes.published_recipes import recipe_for
    from detcli.training.training_events import Event, TrainingStep
    from detcli.training.training_loop import TrainingJob, train

    data = open_dataset(str(arguments.work / "annotations.json"), images=arguments.work / "images")
    weak_augmentation = {
        "photometric": 0.0,
        "zoom_out": 0.0,
        "iou_crop": 0.0,
        "multi_scale_repeat": 0,
        "stop_augmentation_epoch": 0,
    }
    size = {"image_size": [arguments.side, arguments.side], "batch": arguments.batch, "epochs": 1}
    recipe = recipe_for("dfine-n").merged(weak_augmentation | size)
    start = starting_point(str(arguments.work / "model"), scratch=False, names=data.labels.names, recipe=recipe)
    ends: list[float] = []

    def record_time(event: Event) -> None:
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
    train(job, observer=record_time)
    return {"rate": rate(arguments.batch, ends)}


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "detcli": detcli_,
    "transformers": transformers_,
}


def print_table(arguments: argparse.Namespace, reports: dict[str, list[dict[str, Any]]]) -> None:
    """Print the values of each program, then the ratios."""
    import torch

    results = {
        name: {key: statistics.median(report[key] for report in rounds) for key in rounds[0]}
        for name, rounds in reports.items()
    }
    print(
        f"D-FINE {arguments.size} at {arguments.side} x {arguments.side}, {arguments.batch} images per step, "
        f"{arguments.steps} steps, {torch.get_num_threads()} threads, {arguments.rounds} rounds, medians"
    )
    print(f"{'':22}{'detcli':>14}{'transformers':>14}")
    for key, unit in (("rate", "images/s"), ("peak_mib", "peak MiB")):
        print(f"{unit:22}" + "".join(f"{results[name][key]:14.2f}" for name in CHILDREN))
    own, other = reports["detcli"], reports["transformers"]
    print("\nratios, with the lowest and highest of the rounds")
    print(f"  rate, detcli / transformers         {shown_ratio(own, other, 'rate')}")
    print(f"  peak memory, detcli / transformers  {shown_ratio(own, other, 'peak_mib')}")


if __name__ == "__main__":
    main()
