"""Checkpoints on disk: what is torn, hostile or of another kind is refused by name; what is written reads back."""

import hashlib
import json
import os
import pickle
import struct
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from detcli.checkpoints.checkpoint_files import Checkpoint, read_checkpoint, write_checkpoint
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.safetensors_files import read_tensors
from detcli.errors import DamagedModelError, ModelError, OutputError, UnsupportedModelError

Write = Callable[..., Path]


def read(path: Path) -> Checkpoint:
    return read_checkpoint(locate(str(path)))


def safetensors_of(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def one_tensor(dtype: str, shape: list[int], size: int) -> bytes:
    header = json.dumps({"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}).encode()
    return safetensors_of(header, bytes(size))


def test_a_folder_and_its_file_read_the_same(write_model: Write, weights: bytes) -> None:
    folder = write_model()
    for model in (folder, folder / "model.safetensors"):
        checkpoint = read(model)
        assert checkpoint.config == {"model_type": "d_fine"}
        assert checkpoint.preprocessor["size"] == {"height": 640, "width": 640}
        assert set(checkpoint.tensors) == {"a", "b.weight"}
        assert checkpoint.sha256 == hashlib.sha256(weights).hexdigest()
        assert checkpoint.notes == ("config.json has no class names (id2label): they are LABEL_0, LABEL_1, …",)


def test_a_file_of_any_name_is_read_with_the_config_next_to_it(write_model: Write, weights: bytes) -> None:
    folder = write_model(weights=None, **{"best.safetensors": weights})
    assert set(read(folder / "best.safetensors").tensors) == {"a", "b.weight"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_a_written_checkpoint_reads_back_equal(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        "x": torch.randn(4, 5).mul(9).to(dtype),
        "view": torch.arange(6.0).view(2, 3).t(),
        "scalar": torch.tensor(2.5),
    }
    config: dict[str, Any] = {"model_type": "d_fine", "id2label": {"0": "größe"}}
    write_checkpoint(tmp_path / "new", config, {"size": {"height": 64, "width": 64}}, tensors)

    checkpoint = read(tmp_path / "new")

    assert checkpoint.config == config
    assert checkpoint.preprocessor == {"size": {"height": 64, "width": 64}}
    assert checkpoint.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert checkpoint.tensors[name].dtype == tensor.dtype
        assert torch.equal(checkpoint.tensors[name], tensor)
    with safetensors.safe_open(tmp_path / "new" / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_tensors_that_share_memory_are_written_each(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    write_checkpoint(tmp_path, {"model_type": "d_fine"}, {}, {"a": shared, "b": shared, "c": shared[1:]})
    tensors = read(tmp_path).tensors
    assert torch.equal(tensors["a"], tensors["b"])
    assert torch.equal(tensors["c"], shared[1:])


def test_nan_and_infinity_are_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        write_checkpoint(tmp_path / "new", {"x": float("nan")}, {}, {})
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
def test_a_full_disk_keeps_the_older_checkpoint(write_model: Write) -> None:
    import resource
    import signal

    folder = write_model()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OutputError, match=r"cannot write"):
            write_checkpoint(folder, {"model_type": "new"}, {}, {"a": torch.ones(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# --- weights that are none ---------------------------------------------------------------------------------------


def pickled(protocol: int) -> bytes:
    return pickle.dumps({"model": [1, 2, 3] * 50}, protocol=protocol)


def zipped(tmp_path: Path) -> bytes:
    torch.save({"a": torch.ones(3)}, tmp_path / "zip.tmp")
    assert zipfile.is_zipfile(tmp_path / "zip.tmp")
    return (tmp_path / "zip.tmp").read_bytes()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 41500000\n"


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (b"", DamagedModelError, "is empty"),
        (b"\0" * 4, DamagedModelError, "is not a safetensors file"),
        (b"\n<!DOCTYPE html><html>" + b" " * 99, DamagedModelError, "is a web page, not weights"),
        (b"<html><head>" + b" " * 99, DamagedModelError, "is a web page, not weights"),
        (POINTER, DamagedModelError, "is a git-lfs pointer, not the weights themselves: run `git lfs pull`"),
        (pickled(2), UnsupportedModelError, "is a PyTorch pickle, not safetensors"),
        (pickled(4), UnsupportedModelError, "is a PyTorch pickle, not safetensors"),
        (b'{"error": "Repository not found"}', DamagedModelError, "is a JSON file, not weights"),
        (b"\x17\xa9\xfe\x33" * 16, DamagedModelError, "is not a safetensors file"),
        (struct.pack("<Q", 2**63) + b"{" * 99, DamagedModelError, "is not a safetensors file"),
        (safetensors_of(b'{"a": '), DamagedModelError, "is not JSON"),
        (safetensors_of(b'{"a": 3}'), DamagedModelError, "damaged header: tensor 'a'"),
        (
            safetensors_of(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": []}}'),
            DamagedModelError,
            "damaged header",
        ),
        (
            safetensors_of(b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}', bytes(4)),
            DamagedModelError,
            "is damaged",
        ),
        (safetensors_of(b"{" + b'"x":{' * 5000 + b"}" * 5001), DamagedModelError, "nested"),
        (one_tensor("F8_E4M3", [4], 4), UnsupportedModelError, 'is stored as "F8_E4M3", which is not supported'),
        (one_tensor("C64", [1], 8), UnsupportedModelError, 'is stored as "C64"'),
    ],
)
def test_other_files_than_safetensors_are_recognized(
    write_model: Write, data: bytes, error: type[ModelError], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        read(write_model(weights=data))
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 5
    assert "weights_only" not in str(caught.value)


def test_a_zipped_pickle_is_recognized_under_any_name(write_model: Write, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"is a PyTorch pickle, not safetensors"):
        read(write_model(weights=zipped(tmp_path)))


@pytest.mark.parametrize("name", ["best.pth", "model.bin", "x.pt", "X.PTH", "last.ckpt"])
def test_a_folder_with_pickles_only_names_the_file_to_use(write_model: Write, name: str) -> None:
    folder = write_model(weights=None, **{name: b"anything"})
    with pytest.raises(UnsupportedModelError, match=rf"has '{name}' but no model.safetensors: use the path"):
        read(folder)


@pytest.mark.parametrize("name", ["best.pkl", "x.pickle", "x.npz"])
def test_other_pickles_are_refused_and_never_opened(write_model: Write, name: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os._exit, (99,))

    folder = write_model(weights=None, **{name: pickle.dumps(Bomb())})
    with pytest.raises(
        UnsupportedModelError,
        match=r"is neither a folder with a model nor a \.safetensors, \.pth, \.onnx or \.xml file",
    ):
        read(folder / name)


def test_truncated_weights_report_their_size(write_model: Write, weights: bytes) -> None:
    for length in (len(weights) - 1, len(weights) // 2):
        with pytest.raises(DamagedModelError, match=rf"is truncated: {length:,} of {len(weights):,} bytes"):
            read(write_model(weights=weights[:length]))
    with pytest.raises(DamagedModelError, match=r"is truncated: 20 bytes are less than its header"):
        read(write_model(weights=weights[:20]))


def test_a_header_of_a_million_names_is_refused_before_it_is_read(write_model: Write) -> None:
    header = (
        b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(1_000_00)) + b"}"
    )
    assert len(header) > 4 * 1024 * 1024
    with pytest.raises(DamagedModelError, match=rf"has a header of {len(header):,} bytes; 4,194,304 are allowed"):
        read(write_model(weights=safetensors_of(header)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_tensor_that_is_not_finite_is_refused_by_name(write_model: Write, value: float, dtype: torch.dtype) -> None:
    tensor = torch.zeros(7, 3, dtype=dtype)
    tensor[4, 1] = value
    with pytest.raises(
        DamagedModelError, match=r"tensor 'head.weight' in 'model.safetensors' has 1 values that are NaN"
    ):
        read(write_model(weights=safetensors.torch.save({"fine": torch.ones(2), "head.weight": tensor})))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_nan_at_any_position_of_a_tensor_is_found(tmp_path: Path, dtype: torch.dtype) -> None:
    for place in (0, 1, 7, 8, 15, 16, 31, 500, 998, 1000):
        tensor = torch.randn(1001).to(dtype)
        tensor[place] = float("nan")
        safetensors.torch.save_file({"a": tensor}, tmp_path / "x.safetensors")
        with pytest.raises(DamagedModelError, match=r"tensor 'a' in 'x.safetensors' has 1 values"):
            read_tensors(tmp_path / "x.safetensors")


# --- shards ------------------------------------------------------------------------------------------------------


def sharded(folder: Path, shards: dict[str, dict[str, Tensor]], weight_map: object) -> Path:
    for name, tensors in shards.items():
        safetensors.torch.save_file(tensors, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def test_shards_read_as_one(write_model: Write) -> None:
    folder = sharded(write_model(weights=None), {A: {"a": torch.ones(1)}, B: {"b": torch.zeros(2)}}, {"a": A, "b": B})
    for model in (folder, folder / "model.safetensors.index.json"):
        assert read(model).tensors.keys() == {"a", "b"}
    assert read(folder).sha256 != read_checkpoint(locate(str(folder / A))).sha256


@pytest.mark.parametrize(
    ("weight_map", "sentence"),
    [
        ({"a": A, "b": A}, f"'{A}' does not have the tensor 'b'"),
        ({"a": A}, None),
        ({"b": B, "a": B}, f"'{B}' does not have the tensor 'a'"),
        ({"b": B}, None),
        ({"a": A, "b": "absent.safetensors"}, "there is no file"),
        ({"a": "../model/" + A, "b": B}, "which is not a safetensors file next to it"),
        ({"a": "/etc/passwd", "b": B}, "which is not a safetensors file next to it"),
        ({"a": 3}, "has no weight_map from tensors to shards"),
        ({}, "has no weight_map from tensors to shards"),
        ([], "has no weight_map from tensors to shards"),
        ("x", "has no weight_map from tensors to shards"),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_refused(
    write_model: Write, weight_map: object, sentence: str | None
) -> None:
    folder = sharded(write_model(weights=None), {A: {"a": torch.ones(1)}, B: {"b": torch.zeros(2)}}, weight_map)
    if sentence is None:  # a shard that nothing names is not read
        assert len(read(folder).tensors) == 1
        return
    with pytest.raises(DamagedModelError) as caught:
        read(folder)
    assert sentence in str(caught.value)


def test_a_tensor_no_index_names_is_refused(write_model: Write) -> None:
    folder = sharded(write_model(weights=None), {A: {"a": torch.ones(1), "stray": torch.ones(1)}}, {"a": A})
    with pytest.raises(DamagedModelError, match=r"has the unlisted tensor 'stray'"):
        read(folder)


# --- config.json -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "'config.json' is empty"),
        (b" \n", "'config.json' is empty"),
        (b"[1, 2]", "'config.json' must be a JSON object, not a list"),
        (b"null", "must be a JSON object, not a NoneType"),
        (b"{", "'config.json' is not JSON: Expecting property name enclosed in double quotes in line 1"),
        (b'{"a": 1} x', "'config.json' is not JSON: Extra data in line 1, column 10"),
        (b'{"a": NaN}', "'config.json' has NaN, which is not JSON"),
        (b'{"a": -Infinity}', "'config.json' has -Infinity, which is not JSON"),
        (b'{"a": 1e999}', "has the number 1e999, which does not fit into a float"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "has a number of 100000 digits"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested more than 32 levels deep"),
        (b'{"a": "\xff"}', "'config.json' is not UTF-8: byte 7 is invalid"),
        ('{"a": 1}'.encode("utf-16"), "'config.json' is not UTF-8"),
        (b'{"a": "' + b"x" * 5_000_000 + b'"}', "'config.json' is larger than 4,194,304 bytes"),
        (b"<!doctype html>", "'config.json' is not JSON"),
    ],
)
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_an_invalid_document_is_refused(write_model: Write, name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(DamagedModelError) as caught:
        read(write_model(**{name: data}))
    assert sentence.replace("config.json", name) in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_byte_order_mark_is_ignored(write_model: Write) -> None:
    assert read(write_model(config=b'\xef\xbb\xbf{"model_type": "d_fine"}')).config == {"model_type": "d_fine"}


def test_code_next_to_the_weights_is_never_run(write_model: Write, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    config = {"model_type": "d_fine", "auto_map": {"AutoModel": "modeling.Model"}, "trust_remote_code": True}
    folder = write_model(
        config=json.dumps(config).encode(), **{"modeling.py": f"open({str(mark)!r}, 'w')".encode(), "__init__.py": b""}
    )
    assert read(folder).config["auto_map"] == {"AutoModel": "modeling.Model"}
    assert not mark.exists()


def test_a_missing_preprocessor_is_replaced_and_reported(write_model: Write) -> None:
    checkpoint = read(write_model(preprocessor=None))
    assert checkpoint.preprocessor == {}
    assert "has no preprocessor_config.json; images are preprocessed with the defaults" in checkpoint.notes[0]


def test_a_folder_without_a_model_is_refused_by_name(tmp_path: Path, write_model: Write) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DamagedModelError, match=r"empty' is not a model folder: it has no model.safetensors"):
        read(empty)
    with pytest.raises(DamagedModelError, match=r"is not a model folder: it has no config.json"):
        read(write_model(config=None))


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="Windows has other permissions")
def test_a_folder_without_permission_is_refused_by_name() -> None:
    with TemporaryDirectory(dir="/tmp") as above:  # not below pytest's own folder, which other users cannot enter
        model = Path(above) / "model"
        model.mkdir(mode=0)
        Path(above).chmod(0o755)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            with pytest.raises(DamagedModelError, match=r"cannot read the folder '.*model': Permission denied"):
                read(model)
        finally:
            if was_root:
                os.seteuid(0)
            model.chmod(0o700)


def test_a_file_of_another_kind_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        UnsupportedModelError, match=r"is neither a folder with a model nor a .safetensors, .pth, .onnx or .xml file"
    ):
        read(tmp_path / "notes.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_pipe_instead_of_a_file_is_refused_without_waiting(write_model: Write, name: str) -> None:
    folder = write_model(**{name: None})
    os.mkfifo(folder / name)
    caught: list[BaseException] = []

    def attempt() -> None:
        try:
            read(folder)
        except ModelError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(20)
    assert len(caught) == 1, "it waits for a writer"
    assert "is not a file" in str(caught[0])


def test_a_local_model_has_no_revision(write_model: Write) -> None:
    from detcli.errors import UsageError

    with pytest.raises(UsageError, match=r"`revision` is for repositories of the Hub"):
        locate(str(write_model()), revision="main")
