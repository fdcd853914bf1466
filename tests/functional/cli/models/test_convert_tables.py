"""A Table Transformer as its authors save it is converted, detects, evaluates and trains; what contradicts itself is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.inference.load import load_detector
from detcli.inference.preprocessing.resize_rules import LongestEdge, ShortestEdge
from detcli.models.detr import FAMILY
from detcli.models.detr.config import DetrConfig, read_config
from tests.helpers.cli_runs import Run
from tests.helpers.detr_samples import TABLE, random_network, tiny, tiny_json
from tests.helpers.original_layouts import detr

Detcli = Callable[..., Run]
IN_A_PROCESS_OF_ITS_OWN = ("test_a_training_checkpoint_of_the_authors_is_read",)
STRUCTURE = (
    "table", "table column", "table row", "table column header", "table projected row header", "table spanning cell",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(queries: int, classes: int, **changes: Any) -> DetrConfig:
    """A narrow one with the published backbone's kind of blocks."""
    return tiny(
        **TABLE, num_queries=queries, id2label={str(index): f"class {index}" for index in range(classes)},
        backbone={"layer_type": "basic"}, encoder_attention_heads=8, decoder_attention_heads=8, **changes,
    )  # fmt: skip


def weights(record: DetrConfig) -> dict[str, Tensor]:
    return detr(FAMILY.write_weights(random_network(record).float().state_dict(), record))


def write_folder(folder: Path, record: DetrConfig, state: dict[str, Tensor], preprocessor: dict[str, Any]) -> Path:
    write_checkpoint(folder, FAMILY.write_config(record), preprocessor, state)
    return folder


@pytest.mark.parametrize(
    ("queries", "names", "size"),
    [(15, ("table", "table rotated"), 800), (125, STRUCTURE, 1000)],
    ids=["pages", "tables"],
)
def test_a_released_file_is_used_and_converted_alike(
    queries: int, names: tuple[str, ...], size: int, detcli: Detcli, images: Path
) -> None:
    torch.save(weights(config(queries, len(names))), "released.pth")
    arguments = ("--imgsz", 96, "-t", "0", "-f", "jsonl", "-d", "cpu", images / "0.png")
    first = detcli("detect", "-m", "released.pth", *arguments)
    assert first.code == 0, first.err
    done = detcli("models", "convert", "released.pth", "-o", "made")
    assert done.code == 0, done.err
    assert "recognized as Table Transformer for table" in done.err
    assert f"the {len(names)} classes are those of PubTables-1M" in done.err
    written = json.loads(Path("made/config.json").read_text())
    assert (written["model_type"], tuple(written["id2label"].values())) == ("table-transformer", names)
    edges = json.loads(Path("made/preprocessor_config.json").read_text())["size"]
    assert edges == {"shortest_edge": size, "longest_edge": size}
    second = detcli("detect", "-m", "made", *arguments)
    assert second.code == 0, second.err
    boxes = [json.loads(run.out)["detections"] for run in (first, second)]
    assert boxes[0] == boxes[1]
    assert {box["label"] for box in boxes[0]} <= set(names)
    assert boxes[0]


def test_a_training_checkpoint_of_the_authors_is_read(detcli: Detcli) -> None:
    """Their main.py saves the state of the optimizer with the model's."""
    state = weights(config(15, 2))
    optimizer = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 5e-5, "params": [0]}]}
    torch.save({"epoch": 3, "model_state_dict": state, "optimizer_state_dict": optimizer}, "model.pth")
    done = detcli("models", "convert", "model.pth", "-o", "made", "--labels", "page,figure")
    assert done.code == 0, done.err
    assert json.loads(Path("made/config.json").read_text())["id2label"] == {"0": "page", "1": "figure"}


def test_what_does_not_fit_together_is_one_sentence(detcli: Detcli, images: Path) -> None:
    table, plain = config(15, 2), tiny()
    table_state, plain_state = (
        FAMILY.write_weights(random_network(each).float().state_dict(), each) for each in (table, plain)
    )
    size = {"size": {"longest_edge": 96}}
    write_folder(Path("no-norm"), read_config(tiny_json(**TABLE)), plain_state, size)
    write_folder(Path("norm"), plain, {**plain_state, "model.encoder.layernorm.weight": torch.ones(32)}, size)
    write_folder(Path("queries"), config(20, 2), table_state, size)
    write_folder(Path("edge"), table, table_state, {"size": {"longest_edge": 0}})
    for folder, code, sentence in (
        ("no-norm", 5, "lack 'model.encoder.layernorm.weight', the norm after the encoder of a Table Transformer"),
        ("norm", 5, "of a network with norms before attention, whose model_type is 'table-transformer', not 'detr'"),
        ("queries", 5, "'model.query_position_embeddings.weight' of shape [15, 32] instead of [20, 32]"),
        ("edge", 5, "size 0 is not an integer from 1 to 16384"),
    ):
        done = detcli("detect", images / "0.png", "-m", folder, "-f", "jsonl")
        assert (done.code, sentence in done.err) == (code, True), (folder, done.code, done.err)
        assert "Traceback" not in done.err


def test_a_longest_edge_is_the_size_of_images(detcli: Detcli, images: Path) -> None:
    record = config(15, 2)
    state = FAMILY.write_weights(random_network(record).float().state_dict(), record)
    write_folder(
        Path("model"), record, state, {"image_processor_type": "DetrImageProcessor", "size": {"longest_edge": 96}}
    )
    assert load_detector("model").preprocessor.preprocessing.sizing == LongestEdge(96)
    assert load_detector("model", image_size=64).preprocessor.preprocessing.sizing == LongestEdge(64)
    done = detcli("detect", images / "0.png", "-m", "model", "--imgsz", "48x64", "-f", "jsonl")
    assert done.code == 2
    assert (
        "--imgsz 48 64: the model keeps the aspect ratio, and its size is that of the longer side: --imgsz 64"
        in done.err
    )


@pytest.mark.parametrize(("queries", "size"), [(15, (800, 800)), (125, (1000, 1000)), (100, (800, 1333))])
def test_without_a_file_images_have_the_published_size(queries: int, size: tuple[int, int], detcli: Detcli) -> None:
    """As transformers' save_pretrained leaves a model; 100 queries are those of no published Table Transformer."""
    record = config(queries, 3)
    state = FAMILY.write_weights(random_network(record).float().state_dict(), record)
    folder = write_folder(Path("model"), record, state, {})
    (folder / "preprocessor_config.json").unlink()
    loaded = load_detector("model")
    assert loaded.preprocessor.preprocessing.sizing == ShortestEdge(*size)
    assert loaded.preprocessor.preprocessing.mean == (0.485, 0.456, 0.406)
    assert "preprocessing=as published" in loaded.assumed
    described = detcli("models", "info", "model")
    assert described.code == 0, described.err
    assert "preprocessing=as published" in described.out + described.err


def test_masks_cannot_be_added(detcli: Detcli, images: Path) -> None:
    record = config(15, 2)
    state = FAMILY.write_weights(random_network(record).float().state_dict(), record)
    write_folder(Path("model"), record, state, {"size": {"longest_edge": 96}})
    done = detcli("train", "-m", "model", "--data", "shapes:0:4", "-o", "run", "--masks")
    assert done.code == 2
    assert "--masks: a Table Transformer has no mask head" in done.err
    done = detcli("segment", "-m", "model", "-o", "out.jsonl", images)
    assert done.code != 0
    assert "mask" in done.err
