"""`detcli download` and `detcli models`: data on stdout, talk on stderr, an exit code for each way to fail."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.checkpoints.catalog import CATALOG
from tests.helpers.cli_runs import Run
from tests.helpers.hub_fixtures import cache, environment, hub, model_files, weights
from tests.helpers.hub_server import COMMIT, LATER_COMMIT, Fault, HubServer

__all__ = ["cache", "environment", "hub", "model_files", "weights"]

SMALL = CATALOG["dfine-s"].repository
NOW = {"Retry-After": "0"}


def run(*arguments: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "detcli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL if stdin is None else None,
        input=stdin,
        timeout=120,
    )


@pytest.fixture
def files(model_files: dict[str, bytes]) -> dict[str, bytes]:
    config = {"model_type": "d_fine", "id2label": {"0": "cat", "1": "größe", "2": "\x1b[31mred"}}
    return {**model_files, "config.json": json.dumps(config).encode()}


@pytest.fixture
def small(hub: HubServer, files: dict[str, bytes]) -> HubServer:
    """A Hub with the model that people call dfine-s."""
    hub.add(SMALL, files)
    return hub


def test_download_says_size_and_place_and_keeps_stdout_clean(small: HubServer, cache: Path) -> None:
    done = run("download", "dfine-s")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "'dfine-s' is downloaded and verified: 1.0 MB in" in done.stderr
    assert COMMIT in done.stderr
    assert (cache / "models--ustc-community--dfine-small-coco" / "snapshots" / COMMIT / "model.safetensors").is_file()


def test_only_update_uses_the_network_for_a_known_model(small: HubServer, files: dict[str, bytes]) -> None:
    run("download", "dfine-s")
    asked = len(small.requests)
    assert run("download", "dfine-s").returncode == 0
    assert len(small.requests) == asked
    small.add(SMALL, {**files, "preprocessor_config.json": b"{}"}, commit=LATER_COMMIT)
    done = run("download", "--update", "dfine-s")
    assert LATER_COMMIT in done.stderr


def test_a_slip_in_any_name_is_told_before_anything_is_fetched(small: HubServer) -> None:
    done = run("download", "dfine-s", "dfin-x")
    assert done.returncode == 5
    assert done.stderr == (
        "detcli: there is no model 'dfin-x'; did you mean 'dfine-x' or 'dfine-s' or 'dfine-n'?\n"
        "'detcli models list' shows all models\n"
    )
    assert small.requests == []


def test_one_model_that_fails_does_not_keep_the_others_away(small: HubServer) -> None:
    done = run("download", "owner/none", "dfine-s", "owner/neither")
    assert done.returncode == 7
    assert "'dfine-s' is downloaded and verified" in done.stderr
    assert "no repository 'owner/none'" in done.stderr
    assert "no repository 'owner/neither'" in done.stderr


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ([Fault(status=503, headers=NOW, method="HEAD")] * 5, 6),
        ([Fault(status=429, headers={"Retry-After": "999"}, method="HEAD")], 6),
        ([Fault(headers={"ETag": '"../../x"'}, method="HEAD")], 6),
        ([Fault(body=b"x" * 39), Fault(body=b"x" * 39)], 5),
    ],
)
def test_each_failure_has_its_exit_code_and_one_line(small: HubServer, fault: list[Fault], code: int) -> None:
    small.fail("preprocessor_config.json", *fault)
    done = run("download", "-q", "dfine-s")
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("detcli: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_gated_model_is_7_and_its_token_opens_it(hub: HubServer, files: dict[str, bytes]) -> None:
    hub.add("owner/gated", files, gated=True, token="hf_right")
    refused = run("download", "owner/gated", HF_TOKEN="hf_wrong")
    assert refused.returncode == 7
    assert "hf_wrong" not in refused.stdout + refused.stderr
    assert run("download", "owner/gated", HF_TOKEN="hf_right").returncode == 0


def test_offline_and_not_here_is_5_without_a_request(small: HubServer) -> None:
    done = run("download", "dfine-s", HF_HUB_OFFLINE="1")
    assert done.returncode == 5
    assert "HF_HUB_OFFLINE" in done.stderr
    assert small.requests == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_download_that_is_interrupted_goes_on_later(
    small: HubServer, cache: Path, model_files: dict[str, bytes], number: signal.Signals
) -> None:
    small.fail("model.safetensors", Fault(stall_after=704_512))
    process = subprocess.Popen(
        [sys.executable, "-m", "detcli", "download", "dfine-s"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    assert "downloading" in process.stderr.readline()
    sha256 = hashlib.sha256(model_files["model.safetensors"]).hexdigest()
    part = cache / "models--ustc-community--dfine-small-coco" / "blobs" / f"{sha256}.detcli.incomplete"
    while not part.exists() or part.stat().st_size < 704_512:
        assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert run("download", "dfine-s").returncode == 0
    assert small.seen("GET", "signed")[-1].headers["range"] == "bytes=704512-"


def test_list_shows_every_model_and_what_is_here(small: HubServer, files: dict[str, bytes]) -> None:
    small.add("owner/other", files)
    run("download", "dfine-s", "owner/other")
    table = run("models", "list").stdout.splitlines()
    titles = ["name", "task", "AP %", "PQ %", "params", "GFLOPs", "labels", "license", "downloaded"]
    assert re.split(r"\s\s+", table[0]) == titles
    rows = {line.split()[0]: line for line in table[1:]}
    assert set(rows) == {*CATALOG, "owner/other"}
    assert "48.5" in rows["dfine-s"]
    assert rows["dfine-s"].endswith("1.0 MB")
    assert rows["dfine-x"].endswith("-")
    assert re.split(r"\s\s+", rows["detr-r50-panoptic"])[1:4] == ["detect, segment", "38.8", "43.4"]
    assert re.split(r"\s\s+", rows["dfine-s"])[1] == "detect"
    assert "Apache-2.0" in rows["dfine-s"]

    records = json.loads(run("models", "list", "--json").stdout)
    assert [record["name"] for record in records if record["cached"] and record["name"] != "shapes"] == [
        *("dfine-s", "owner/other")
    ]
    assert records[0]["repository"] == "ustc-community/dfine-nano-coco"
    assert {record["name"]: record["commit"] for record in records}["dfine-s"] == COMMIT


def test_info_knows_the_catalogue_before_and_the_classes_after_a_download(small: HubServer) -> None:
    before = run("models", "info", "dfine-s")
    assert before.returncode == 0
    assert "48.5" in before.stdout
    assert "not downloaded" in before.stdout
    assert "detcli download dfine-s" in before.stderr
    assert small.requests == []
    run("download", "dfine-s")
    after = run("models", "info", "dfine-s")
    assert "3 classes" in after.stdout
    assert "größe" in after.stdout
    assert "\x1b" not in after.stdout
    facts = json.loads(run("models", "info", "dfine-s", "--json").stdout)
    assert facts["classes"][1] == {"label_id": 1, "category_id": 2, "label": "größe"}
    assert facts["commit"] == COMMIT
    assert facts["license"] == "Apache-2.0"
    assert len(facts["sha256"]) == 64


def test_info_tells_what_a_model_that_segments_is_for(environment: dict[str, str]) -> None:
    facts = json.loads(run("models", "info", "detr-r50-panoptic", "--json").stdout)
    assert (facts["task"], facts["panoptic_quality"], facts["gflops"]) == ("panoptic", 43.4, None)
    page = run("models", "info", "detr-r50-panoptic").stdout
    assert "PQ          43.4" in page
    assert "GFLOPs" not in page


def test_info_shows_category_ids_and_stuff_as_the_model_was_trained(
    tmp_path: Path, files: dict[str, bytes], environment: dict[str, str]
) -> None:
    config = json.loads(files["config.json"]) | {"category_ids": [7, 5, 9], "stuff": [2]}
    for name, data in (files | {"config.json": json.dumps(config).encode()}).items():
        (tmp_path / name).write_bytes(data)
    facts = json.loads(run("models", "info", str(tmp_path), "--json").stdout)
    assert facts["task"] == "detection"
    classes = facts["classes"]
    assert [(one["category_id"], one["stuff"]) for one in classes] == [(7, False), (5, False), (9, True)]
    page = run("models", "info", str(tmp_path)).stdout
    assert page.count("(stuff)") == 1
    assert "  2   9  " in page.rpartition("(stuff)")[0].splitlines()[-1]


def test_info_reads_a_model_of_ones_own(tmp_path: Path, files: dict[str, bytes], environment: dict[str, str]) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    facts = json.loads(run("models", "info", str(tmp_path), "--json").stdout)
    assert [one["label"] for one in facts["classes"]] == ["cat", "größe", "\x1b[31mred"]
    assert facts["repository"] is None


def test_path_prints_the_folder_alone(small: HubServer, cache: Path) -> None:
    missing = run("models", "path", "dfine-s")
    assert (missing.returncode, missing.stdout) == (5, "")
    assert "detcli download dfine-s" in missing.stderr
    run("download", "dfine-s")
    found = run("models", "path", "dfine-s")
    assert found.stdout == f"{cache / 'models--ustc-community--dfine-small-coco' / 'snapshots' / COMMIT}\n"


def test_verify_finds_a_changed_byte_and_download_mends_it(small: HubServer, cache: Path) -> None:
    run("download", "dfine-s")
    whole = run("models", "verify")
    assert whole.returncode == 0
    assert [line.split()[-1] for line in whole.stdout.splitlines()] == ["ok"] * 3

    (weights,) = cache.rglob("model.safetensors")
    times = weights.stat()
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    for arguments in ([], ["dfine-s"]):
        damaged = run("models", "verify", *arguments)
        assert damaged.returncode == 5
        assert "model.safetensors  1.0 MB  damaged" in damaged.stdout
        assert "'dfine-s' (model.safetensors)" in damaged.stderr

    assert run("download", "dfine-s").returncode == 0
    assert run("models", "verify", "dfine-s").returncode == 0


def test_verify_names_a_missing_file_and_a_model_that_is_not_here(small: HubServer, cache: Path) -> None:
    assert run("models", "verify").returncode == 0
    absent = run("models", "verify", "dfine-s")
    assert absent.returncode == 5
    assert "'dfine-s' is not downloaded" in absent.stderr
    run("download", "dfine-s")
    next(cache.rglob("config.json")).unlink()
    missing = run("models", "verify", "dfine-s")
    assert missing.returncode == 5
    assert "config.json  -  missing" in missing.stdout


def test_remove_asks_and_says_what_was_freed(small: HubServer, cache: Path) -> None:
    run("download", "dfine-s")
    folder = cache / "models--ustc-community--dfine-small-coco"
    unasked = run("models", "remove", "dfine-s")
    assert unasked.returncode == 2
    assert "add -y" in unasked.stderr
    assert folder.exists()

    done = run("models", "remove", "-y", "dfine-s", SMALL)
    assert done.returncode == 0, done.stderr
    assert "removed 1 model: 1.0 MB freed" in done.stderr
    assert not folder.exists()
    assert run("models", "remove", "-y", "dfine-s").returncode == 5


def test_remove_touches_only_downloads(tmp_path: Path, environment: dict[str, str], files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = run("models", "remove", "-y", str(tmp_path))
    assert done.returncode == 2
    assert "is a local model; only models of the Hub" in done.stderr
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    "command", ["download", "models list", "models info", "models path", "models verify", "models remove"]
)
def test_every_command_has_help_with_examples(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert "Examples" in done.stdout
    assert f"detcli {command}" in done.stdout


def test_a_cache_elsewhere_is_used_by_every_command(small: HubServer, tmp_path: Path) -> None:
    where = ("--cache-dir", str(tmp_path / "elsewhere"))
    assert run("download", "dfine-s", *where).returncode == 0
    assert run("models", "path", "dfine-s", *where).stdout.startswith(str(tmp_path / "elsewhere"))
    assert run("models", "path", "dfine-s").returncode == 5
    assert run("models", "verify", "dfine-s", *where).returncode == 0
    assert run("models", "remove", "-y", "dfine-s", *where).returncode == 0


@pytest.mark.parametrize("command", ["detect", "download"])
def test_no_network_says_what_was_wanted_why_and_what_else_works(
    detcli: Callable[..., Run],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        run = detcli(command, *(("a.jpg", "-m") if command == "detect" else ()), "dfine-s")
    assert (run.code, run.out) == (6, "")
    sentence, *ways = run.err.splitlines()
    assert sentence == (
        "detcli: cannot download 'dfine-s' ('config.json' of ustc-community/dfine-small-coco): "
        f"cannot reach {address}: connection refused; try again later: downloaded data is kept"
    )
    assert ways[0] == "ways to continue:"
    assert any("detcli download dfine-s" in way for way in ways)
    assert any("HF_ENDPOINT is set" in way for way in ways)
    assert any("-m shapes" in way for way in ways) == (command == "detect")
