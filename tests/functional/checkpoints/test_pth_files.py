"""Files of the original repositories: the right part of them is read, and nothing in them is ever run."""

import argparse
import collections
import io
import os
import pickle
import signal
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from detcli.checkpoints.pth import pth_files as originals
from detcli.checkpoints.pth import pth_reader as original_reader
from detcli.checkpoints.pth.pth_content import PthRefusedError, arguments_of
from detcli.checkpoints.pth.pth_files import OriginalFile, read_original_file
from detcli.errors import DamagedModelError, ModelError, OutputError, UnsupportedModelError

STATE = collections.OrderedDict(a=torch.arange(12.0).reshape(3, 4), b=torch.tensor([4]))


class RunsCode:
    """Unpickling it would run a command that creates a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Save anything as PyTorch does."""

    def save(content: Any, **how: Any) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(content, path, **how)
        return path

    return save


@pytest.fixture
def read_here(tmp_path: Path) -> Callable[[Any], dict[str, torch.Tensor]]:
    """Read what no harm can come of in this process, which is quicker; the tensors that were handed on."""

    def read(content: Any) -> dict[str, torch.Tensor]:
        path, output = tmp_path / "here.pth", tmp_path / "here.safetensors"
        torch.save(content, path)
        original_reader.read_content(str(path), str(output))
        return safetensors.torch.load_file(output)

    return read


def legacy(content: bytes, storages: bytes) -> bytes:
    """A file in PyTorch's form before 1.6, with any pickle and any storages."""
    head = (torch.serialization.MAGIC_NUMBER, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    return b"".join(pickle.dumps(part, protocol=2) for part in head) + content + storages


def claim(numbers: int) -> bytes:
    """A state dict whose one tensor claims to have so many numbers."""
    count = b"\x8a\x08" + struct.pack("<q", numbers)
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpu" + count + b"NtQK\x00" + count + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    )
    return b"\x80\x02}X\x05\x00\x00\x00model}X\x01\x00\x00\x00a" + tensor + b"ss."


def assert_state(file: OriginalFile) -> None:
    assert file.tensors.keys() == STATE.keys()
    assert all(torch.equal(file.tensors[name], STATE[name]) for name in STATE)


def test_the_moving_average_is_preferred_and_arguments_are_kept(
    saved: Callable[..., Path],
) -> None:
    arguments = argparse.Namespace(dilation=True, lr=1e-4, masks=False, sizes=[480, 512], huge=10**40, name="résumé")
    run = {
        "model": {name: -tensor for name, tensor in STATE.items()},
        "ema": {"module": STATE, "updates": 7},
        "optimizer": torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))]).state_dict(),
        "lr_scheduler": {"milestones": collections.Counter([500])},
        "epoch": 3,
        "args": arguments,
    }
    file = read_original_file(saved(run))
    assert_state(file)
    assert file.where == "ema"
    assert file.args == {"dilation": True, "lr": 1e-4, "masks": False, "sizes": [480, 512], "name": "résumé"}


@pytest.mark.parametrize("new_form", [True, False], ids=["zip", "before 1.6"])
def test_a_released_file_has_only_the_model(new_form: bool, saved: Callable[..., Path]) -> None:
    file = read_original_file(saved({"model": STATE}, _use_new_zipfile_serialization=new_form))
    assert_state(file)
    assert (file.where, file.args) == ("model", {})


def test_a_name_that_is_not_utf8_is_read(saved: Callable[..., Path]) -> None:
    path = saved(STATE)
    odd = path.with_name(os.fsdecode(b"\xff weights.pth"))
    path.rename(odd)
    file = read_original_file(odd)
    assert_state(file)
    assert file.where == "bare"


def test_prefixes_of_parallel_and_compiled_networks_are_removed(read_here: Callable[..., Any]) -> None:
    names = ("module.a", "_orig_mod.b", "module._orig_mod.c", "_orig_mod.module.module.d", "head._orig_mod.e")
    read = read_here({"model": {name: torch.tensor([1.0]) for name in names}})
    assert sorted(read) == ["a", "b", "c", "d", "head.e"]


def test_a_duplicate_tensor_is_accepted_if_both_are_equal(read_here: Callable[..., Any]) -> None:
    assert read_here({"model": {"a": torch.ones(2), "module.a": torch.ones(2)}})["a"].tolist() == [1, 1]
    with pytest.raises(PthRefusedError, match=r"'a' twice, .* with different values"):
        read_here({"model": {"a": torch.ones(2), "module.a": torch.zeros(2)}})


def test_unused_counters_are_dropped(read_here: Callable[..., Any]) -> None:
    names = ("backbone.total_ops", "total_params", "bn.num_batches_tracked")
    assert list(read_here({"model": {**dict.fromkeys(names, torch.tensor(7)), "a": torch.ones(1)}})) == ["a"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_infinity_in_anchors_becomes_the_maximum_of_their_type(saved: Callable[..., Path], dtype: torch.dtype) -> None:
    given = torch.tensor([[[0.5, torch.inf, -1.0, 2.0]]], dtype=dtype)
    anchors = read_original_file(saved({"model": {**STATE, "module.decoder.anchors": given}})).tensors[
        "decoder.anchors"
    ]
    assert anchors.flatten().tolist() == [0.5, torch.finfo(dtype).max, -1.0, 2.0]
    for invalid in (torch.nan, -torch.inf):
        with pytest.raises(DamagedModelError, match=r"'decoder\.anchors' with 1 values that are NaN or infinity"):
            read_original_file(saved({"model": {**STATE, "decoder.anchors": torch.tensor([invalid, 1.0])}}))


@pytest.mark.parametrize(
    ("tensor", "clause"),
    [
        (torch.ones(3, device="meta"), "'a', which is on the device 'meta'"),
        (torch.ones(3, dtype=torch.complex64), "'a', which is complex64"),
        (torch.eye(3).to_sparse(), "'a', which is sparse coo"),
        (torch.ones(1).expand(10**9), "claims more numbers for tensor 'a' than the file contains"),
        (torch.tensor([1.0, float("nan")]), "'a' with 1 values that are NaN or infinity"),
        (torch.tensor([float("inf")]), "'a' with 1 values that are NaN or infinity"),
        ("text", "has a str under 'a' instead of a tensor"),
    ],
    ids=["meta", "complex", "sparse", "expanded", "nan", "infinite", "text"],
)
def test_only_dense_finite_tensors_are_accepted(tensor: Any, clause: str, read_here: Callable[..., Any]) -> None:
    with pytest.raises(PthRefusedError) as caught:
        read_here({"model": {"a": tensor, "b": torch.ones(1), "c": torch.ones(1)}})
    assert clause in str(caught.value)


@pytest.mark.parametrize(
    ("content", "clause"),
    [
        ([1, 2], "has a list, not weights by name"),
        ({}, "has no weights of a model: it is empty"),
        ({"epoch": 1, "x": "y"}, "has no weights of a model: it has 'epoch', 'x'"),
        ({"optimizer": {"state": {}}, "epoch": 3}, "the state of an optimizer, but no weights"),
        ({"state": {}, "param_groups": []}, "the state of an optimizer, but no weights"),
        ({"precision": [0.5], "recall": [0.1], "scores": [1.0]}, "metrics of an evaluation"),
    ],
)
def test_a_file_without_weights_is_described_by_its_content(
    content: Any, clause: str, read_here: Callable[..., Any]
) -> None:
    with pytest.raises(PthRefusedError) as caught:
        read_here(content)
    assert clause in str(caught.value)


def test_metrics_of_an_evaluation_are_not_taken_for_weights(saved: Callable[..., Path]) -> None:
    figures = {name: np.zeros((2, 2)) for name in ("precision", "recall", "scores")}
    with pytest.raises(UnsupportedModelError, match=r"metrics of an evaluation .*best_stg2\.pth or best_stg1\.pth"):
        read_original_file(saved(figures))


@pytest.mark.parametrize(
    ("place", "new_form"),
    [("next to the weights", True), ("as the average", False), ("as the average", True), ("as everything", False)],
)
def test_a_pickle_that_would_run_code_is_refused_and_not_executed(
    place: str, new_form: bool, saved: Callable[..., Path], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    content = {
        "next to the weights": {"model": STATE, "more": RunsCode(canary)},
        "as the average": {"model": STATE, "ema": {"module": {"a": RunsCode(canary)}}},
        "as everything": RunsCode(canary),
    }[place]
    path = saved(content, _use_new_zipfile_serialization=new_form)
    with pytest.raises(UnsupportedModelError) as caught:
        read_original_file(path)
    assert not canary.exists()
    assert f"is refused: it uses '{os.system.__module__}.system', which could execute code" in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_under_another_name_in_the_archive_is_not_read(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/other.pkl", pickle.dumps(RunsCode(canary)))
    with pytest.raises(UnsupportedModelError, match=r"a zip archive, but not of PyTorch"):
        read_original_file(path)
    assert not canary.exists()


def test_a_sparse_tensor_that_would_crash_is_refused(saved: Callable[..., Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = torch.sparse_csr_tensor(
            torch.tensor([0, 10**9]), torch.tensor([10**12]), torch.ones(1), size=(1, 3), check_invariants=False
        )
        path = saved({"model": {"a": odd, "b": torch.ones(1), "c": torch.ones(1)}})
    with pytest.raises(ModelError, match=r"'a', which is sparse csr|damaged"):
        read_original_file(path)


@pytest.mark.parametrize("numbers", [1 << 28, 1 << 40], ids=["a gigabyte", "four terabytes"])
def test_a_storage_that_claims_more_than_the_file_holds_is_refused(numbers: int, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy(claim(numbers), pickle.dumps(["0"], protocol=2) + struct.pack("<q", numbers)))
    with pytest.raises(DamagedModelError, match=r"needs more memory than a model|damaged"):
        read_original_file(path)


def test_an_archive_that_unpacks_to_many_times_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 25))
    with pytest.raises(DamagedModelError, match=r"unpacks to many times its size"):
        read_original_file(path)


def test_a_full_disk_is_an_output_error(
    saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved({"model": STATE})
    with pytest.raises(original_reader.NoDiskSpaceError):
        original_reader.read_content(str(path), str(tmp_path / "none" / "weights.safetensors"))
    full = "import json, sys; json.dump({'no_disk_space': 'disk full'}, open(json.load(sys.stdin)['answer'], 'w'))"
    monkeypatch.setattr(originals, "_READER", full)
    with pytest.raises(OutputError, match=r"to '.*' \(disk full\): free some space there, or set TMPDIR"):
        read_original_file(path)


def test_endlessly_nested_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy(b"\x80\x02" + b"(l" * 300_000 + b".", b""))
    with pytest.raises(ModelError):
        read_original_file(path)


@pytest.mark.parametrize("new_form", [True, False], ids=["zip", "before 1.6"])
def test_a_truncated_file_is_damaged(new_form: bool, saved: Callable[..., Path]) -> None:
    path = saved({"model": {"a": torch.ones(1000)}}, _use_new_zipfile_serialization=new_form)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DamagedModelError, match=r"weights\.pth' is damaged or truncated$"):
        read_original_file(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer"),
        (b'{"a": 1}', "is a JSON file"),
        (safetensors.torch.save({"a": torch.ones(3)}), "a safetensors file by its content"),
        (b"\x93NUMPY and more", "not a PyTorch file"),
    ],
)
def test_other_kinds_of_files_are_recognized_by_their_first_bytes(data: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_original_file(path)
    assert sentence in str(caught.value)


def test_a_program_is_not_taken_for_weights(tmp_path: Path) -> None:
    path, stream = tmp_path / "weights.pth", io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"network/{name}", b"")
    path.write_bytes(stream.getvalue())
    with pytest.raises(PthRefusedError, match="TorchScript"), path.open("rb") as file:
        original_reader.check_archive(file, path.stat().st_size)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX systems")
def test_a_reader_that_is_killed_is_a_damaged_file(saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "_READER", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(DamagedModelError, match=rf"ended with {signal.SIGSEGV.name}"):
        read_original_file(saved({"model": STATE}))


def test_a_reader_that_takes_too_long_is_stopped(saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "_READER", "import threading; threading.Event().wait()")
    with pytest.raises(DamagedModelError, match=r"could not be read within 1 s"):
        read_original_file(saved({"model": STATE}), seconds=1)


def test_nothing_is_left_in_the_folder_for_temporary_files(
    saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    read_original_file(saved({"model": STATE}))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("part", ["args", "cfg", "config", "yaml_cfg"])
def test_nested_settings_of_the_training_run_have_dotted_names(part: str) -> None:
    settings = {"lr": 0.1, "DFINETransformer": {"num_queries": 500, "deep": {"x": [1, 2], "deeper": {"y": 1}}}, 3: 4}
    found = arguments_of({"model": STATE, part: settings})
    assert found == {"lr": 0.1, "DFINETransformer.num_queries": 500, "DFINETransformer.deep.x": [1, 2]}
    assert arguments_of({"model": STATE, part: argparse.Namespace(a=1, b=object())}) == {"a": 1}
    many = {f"a{i}": {f"b{j}": j for j in range(100)} for i in range(100)}
    assert len(arguments_of({part: many})) == 1000
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert arguments_of({part: endless}) == {}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({0: "cat", 1: "dog"}, ["cat", "dog"]),
        ({"1": "dog", "0": "cat"}, ["cat", "dog"]),
        (["cat", "dog"], ["cat", "dog"]),
        ({index: f"class {index}" for index in range(1000)}, [f"class {index}" for index in range(1000)]),
        ({1: "cat", 2: "dog"}, None),
        ({0: "cat", 1: 3}, None),
        ({0: ""}, None),
        ([1, 2], None),
        ("cat", None),
        ({}, None),
    ],
)
def test_class_names_in_meta_are_a_list_or_nothing(given: Any, names: list[str] | None) -> None:
    meta = {"label_to_name": given, "img_size": [96, 64], "keep_ratio": True}
    found = arguments_of({"model": STATE, "meta": meta})
    assert (found["img_size"], found["keep_ratio"]) == ([96, 64], True)
    assert found.get("label_to_name") == names
