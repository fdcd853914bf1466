"""Trains a YOLO of ultralytics from scratch with its default augmentation, in an environment that has ultralytics.

ultralytics is an external program under the AGPL: nothing of detcli imports it, or this script.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
import ultralytics

from benchmarks.training_programs.coco_folder import category_ids, coco_result, read_part, write_yolo
from benchmarks.training_programs.run_log import Job, Result, RunLog

_SMALLEST_SCORE = 0.001  # as in its own validation


def main() -> None:
    """Train until the budget is used up; `time` of ultralytics fits the schedule to it."""
    job = Job.from_json(sys.argv[1])
    log, images = RunLog(job), len(read_part(job.data_folder, "train")["images"])
    first_epoch: list[float] = []

    def start(trainer: Any) -> None:
        torch.set_num_threads(job.threads)  # its own choice is one less than there are
        first_epoch.append(time.time())

    def after_epoch(trainer: Any) -> None:
        best = Path(trainer.best) if trainer.fitness == trainer.best_fitness else None
        log.add(
            epoch=trainer.epoch + 1,
            images=(trainer.epoch + 1) * images,
            ap=float(trainer.metrics["metrics/mAP50-95(B)"]),
            save=None if best is None else lambda folder: shutil.copy(best, folder / "best.pt"),
        )
        # It rounds the number of epochs up; one epoch less ends within the budget.
        epoch_s = (time.time() - first_epoch[0]) / (trainer.epoch + 1)
        whole_s = job.started + job.budget_s - first_epoch[0]
        trainer.args.time = max(whole_s - epoch_s, epoch_s) / 3600

    model = ultralytics.YOLO(job.options["model"])
    model.add_callback("on_train_start", start)
    model.add_callback("on_fit_epoch_end", after_epoch)
    model.train(
        data=str(write_yolo(job.data_folder, job.folder / "yolo")),
        imgsz=job.size,
        batch=job.options["batch"],
        time=job.left() / 3600,
        pretrained=False,
        workers=job.threads,
        seed=job.seed,
        device="cpu",
        project=str(job.folder),
        name="run",
        plots=False,
    )
    log.finish(
        lambda folder: _predict(job, folder),
        epochs=len(log.points),
        versions={"ultralytics": ultralytics.__version__, "torch": torch.__version__},
        settings={"model": job.options["model"], "batch": job.options["batch"]},
    )


def _predict(job: Job, folder: Path) -> list[Result]:
    document = read_part(job.data_folder, "test")
    ids = category_ids(document)
    model, results = ultralytics.YOLO(folder / "best.pt"), []
    for image in document["images"]:
        found = model.predict(
            job.data_folder / "images" / image["file_name"],
            imgsz=job.size,
            conf=_SMALLEST_SCORE,
            max_det=300,
            device="cpu",
            verbose=False,
        )[0].boxes
        rows = zip(found.cls.tolist(), found.xyxy.tolist(), found.conf.tolist(), strict=True)
        results += [coco_result(image["id"], ids[int(index)], box, score) for index, box, score in rows]
    return results


if __name__ == "__main__":
    main()
