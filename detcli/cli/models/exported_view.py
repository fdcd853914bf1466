"""Rows and lines of `detcli models info` for an exported file."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from detcli.checkpoints.model_files import ModelFiles
from detcli.structures.class_labels import ClassLabels

Row = dict[str, Any]


def exported_facts(files: ModelFiles) -> Row:
    """The metadata of an exported file; `repository` and `commit` are those of its checkpoint."""
    from detcli.engine.model_files.exported_files import describe_exported, sha256_of_weights

    facts = describe_exported(files)
    path = files.folder / files.weights
    return {
        "repository": facts.repository,
        "commit": facts.commit,
        "sha256": sha256_of_weights(path),
        "task": "panoptic" if facts.masks else "detection",
        "label_count": len(facts.labels),
        "threshold": facts.threshold,
        "nms": facts.nms,
        "exported": {
            "model": facts.model,
            "format": "onnx" if path.suffix.lower() == ".onnx" else "openvino",
            "outputs": facts.outputs,
            "output_names": list(facts.output_names),
            "batch": facts.batch,
            "image_size": None if facts.size_hw is None else list(facts.size_hw),
            "precision": facts.precision,
            "calibration_images": facts.calibration_images,
            "accuracy": None if facts.accuracy is None else asdict(facts.accuracy),
            "sha256_of_checkpoint": facts.sha256,
            "detcli": facts.version,
        },
        "classes": class_rows(facts.labels),
    }


def export_lines(exported: Row | None) -> Row:
    """The lines of an exported file; none for a checkpoint."""
    if exported is None:
        return {}
    size = exported["image_size"]
    return {
        "exported": f"from '{exported['model']}' as {exported['format']}, by detcli {exported['detcli']}",
        "outputs": f"{exported['outputs']} ({', '.join(exported['output_names'])})",
        "batch size": exported["batch"] or "any",
        "input size": "any" if size is None else f"{size[0]} x {size[1]} (height x width)",
        "precision": exported["precision"]
        + (f", calibrated with {exported['calibration_images']:,} images" if exported["calibration_images"] else ""),
        **_accuracy_line(exported["accuracy"]),
        "checkpoint": exported["sha256_of_checkpoint"],
    }


def _accuracy_line(accuracy: Row | None) -> Row:
    if accuracy is None:
        return {}
    before, after = ("-" if accuracy[name] is None else f"{accuracy[name]:.3f}" for name in ("checkpoint", "exported"))
    return {"AP": f"{after}; {before} of the checkpoint, on {accuracy['images']:,} images of '{accuracy['data']}'"}


def exported_bytes(path: Path) -> int:
    """Size of an exported file; of OpenVINO, of its two files."""
    from detcli.engine.model_files.exported_files import exported_paths

    return sum(file.stat().st_size for file in exported_paths(path) if file.exists())


def class_rows(labels: ClassLabels) -> list[Row]:
    """The classes of a model, by index."""
    return [
        {"label_id": index, "category_id": category, "label": name}
        | ({"stuff": index in labels.stuff} if labels.stuff else {})
        for index, (name, category) in enumerate(zip(labels.names, labels.category_ids, strict=True))
    ]
