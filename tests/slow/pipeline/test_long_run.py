"""A long run: memory stays flat and every input is accounted for, broken ones too."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

IMAGES, BROKEN_EVERY = 2000, 20  # one in twenty is 5 %
SETTLED = 600  # by then every pool, cache and thread has what it will ever need


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thousand images of three formats; each twentieth is cut in half."""
    folder = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    for index in range(IMAGES):
        size = (int(random.integers(40, 200)), int(random.integers(40, 200)), 3)
        stream = io.BytesIO()
        kind = ("jpg", "png", "webp")[index % 3]
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(stream, "jpeg" if kind == "jpg" else kind)
        data = stream.getvalue()
        if index % BROKEN_EVERY == 0:
            data = data[: len(data) // 2]
        subfolder = folder / f"{index // 500}"
        subfolder.mkdir(exist_ok=True)
        (subfolder / f"{index:04d}.{kind}").write_bytes(data)
    return folder


def test_memory_stays_flat_and_no_input_is_lost(folder: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "detcli", "detect", str(folder), "-m", str(tiny_checkpoint), "-t", "0.6"]
    outputs = ["-o", "-", "-f", "jsonl", "--save-images", str(tmp_path / "drawn"), "--max-failures", str(IMAGES)]
    resident = {}
    with subprocess.Popen([*command, *outputs], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        records = []
        watched = psutil.Process(process.pid)
        for line in process.stdout:
            records.append(json.loads(line))
            if len(records) % 100 == 0 and len(records) < IMAGES:
                resident[len(records)] = watched.memory_info().rss / 2**20
        _, errors = process.communicate()
    assert process.returncode == 3
    assert [record["index"] for record in records] == list(range(IMAGES))
    listed = sorted(os.fsencode(path) for path in folder.rglob("*.*"))
    assert [os.fsencode(record["file"]) for record in records] == listed
    failed = [record for record in records if record["error"]]
    assert {int(Path(record["file"]).stem) for record in failed} == set(range(0, IMAGES, BROKEN_EVERY))
    assert len(list((tmp_path / "drawn").rglob("[0-9]*.*"))) == IMAGES - len(failed)
    late = [mib for count, mib in resident.items() if count >= SETTLED]
    assert max(late) - late[0] < 40, resident
    assert b"2,000 images, 100 failed" in errors, errors
