"""Downloads from a Hub on this machine, by the real client: whole, resumed, repaired, shared and never needless."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from detcli.checkpoints.checkpoint_files import read_checkpoint
from detcli.checkpoints.hub import locate_model as hub_room
from detcli.checkpoints.hub.hub_cache import CachedRepository
from detcli.checkpoints.hub.locate_model import download, locate
from detcli.errors import DamagedModelError, HubError, OutputError
from tests.helpers.hub_server import COMMIT, LATER_COMMIT, Fault, HubServer

REPOSITORY = "owner/tiny"
NOW = {"Retry-After": "0"}
# Reports each byte that has reached the disk, so that a test knows where the process is when it kills it.
CHILD = """
import sys
from detcli.checkpoints.hub.locate_model import download
class Report:
    def start(self, total, description): print("start", total, flush=True)
    def advance(self, count): print("advance", count, flush=True)
    def finish(self): print("finish", flush=True)
print("folder", download(sys.argv[1], progress=Report()).folder, flush=True)
"""


class Count:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.arrived = 0
        self.finished = 0

    def start(self, total: int | None, description: str) -> None:
        self.total = total

    def advance(self, count: int) -> None:
        self.arrived += count

    def finish(self) -> None:
        self.finished += 1


def child(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def incomplete(cache: Path) -> list[Path]:
    return list(cache.rglob("*.incomplete"))


def test_a_download_is_complete_where_transformers_expects_it(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    progress = Count()

    files = locate(REPOSITORY, progress=progress)

    assert files.folder == cache / "models--owner--tiny" / "snapshots" / COMMIT
    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == model_files
    assert (cache / "models--owner--tiny" / "refs" / "main").read_text() == COMMIT
    assert files.commit == COMMIT
    assert files.sha256 == hashlib.sha256(model_files["model.safetensors"]).hexdigest()
    assert progress.total == progress.arrived == sum(map(len, model_files.values()))
    assert progress.finished == 1
    assert not incomplete(cache)
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    assert try_to_load_from_cache(REPOSITORY, "config.json", cache_dir=cache) == str(files.folder / "config.json")
    assert [repository.repo_id for repository in scan_cache_dir(cache).repos] == [REPOSITORY]


def test_what_is_cached_needs_no_request(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    first = locate(REPOSITORY)
    asked = len(hub.requests)

    assert locate(REPOSITORY) == first
    assert locate(REPOSITORY, revision=COMMIT) == first
    assert download(REPOSITORY) == first
    assert len(hub.requests) == asked


def test_a_branch_stays_at_its_downloaded_commit_until_an_update(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    locate(REPOSITORY)
    hub.add(REPOSITORY, {**model_files, "config.json": b'{"model_type": "d_fine", "newer": 1}'}, commit=LATER_COMMIT)

    assert locate(REPOSITORY).commit == COMMIT
    sent = hub.bodies_sent()
    assert download(REPOSITORY, update=True).commit == LATER_COMMIT
    assert hub.bodies_sent() - sent == len(b'{"model_type": "d_fine", "newer": 1}'), "the weights are here already"
    assert locate(REPOSITORY).commit == LATER_COMMIT
    assert locate(REPOSITORY, revision=COMMIT).commit == COMMIT


def test_a_branch_that_moves_between_two_requests_gives_one_commit(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPOSITORY, model_files)
    moved = {**model_files, "config.json": b'{"moved": true}'}
    reply = HubServer.fault

    def move(server: HubServer, name: str, method: str) -> Fault:
        if name == "preprocessor_config.json" and LATER_COMMIT not in server.repositories[REPOSITORY].commits:
            server.add(REPOSITORY, moved, commit=LATER_COMMIT)
        return reply(server, name, method)

    monkeypatch.setattr(HubServer, "fault", move)
    files = locate(REPOSITORY)
    assert files.commit == COMMIT
    assert (files.folder / "config.json").read_bytes() == model_files["config.json"]


def test_a_killed_download_continues_where_it_stopped(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    size = len(model_files["model.safetensors"])
    hub.fail("model.safetensors", Fault(stall_after=704_512))
    small = len(model_files["config.json"]) + len(model_files["preprocessor_config.json"])

    process = child(REPOSITORY)
    assert process.stdout is not None
    arrived = 0
    while arrived < small + 704_512:
        word, _, number = process.stdout.readline().partition(" ")
        arrived += int(number) if word == "advance" else 0
    process.kill()
    process.communicate()

    assert [path.stat().st_size for path in incomplete(cache)] == [704_512]
    sent = hub.bodies_sent()
    progress = Count()
    files = locate(REPOSITORY, progress=progress)

    assert hub.seen("GET", "signed")[-1].headers["range"] == "bytes=704512-"
    assert hub.bodies_sent() - sent == size - 704_512
    assert progress.arrived == progress.total == size
    assert (files.folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    assert not incomplete(cache)


def test_a_reset_connection_is_continued(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("model.safetensors", Fault(cut_after=300_000), Fault(cut_after=300_000))

    files = locate(REPOSITORY)

    assert (files.folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    ranges = [seen.headers.get("range") for seen in hub.seen("GET", "signed")]
    assert ranges[0] is None
    assert all(text is not None and text != "bytes=0-" for text in ranges[1:])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_request_to_a_busy_hub_is_repeated(hub: HubServer, model_files: dict[str, bytes], status: int) -> None:
    hub.add(REPOSITORY, model_files)
    busy = {"status": status, "headers": NOW}
    hub.fail("config.json", Fault(**busy, method="HEAD"), Fault(**busy, method="HEAD"), Fault(**busy))
    hub.fail("model.safetensors", Fault(**busy, method="HEAD"), Fault(**busy), Fault(**busy))

    assert locate(REPOSITORY).commit == COMMIT


def test_a_hub_that_stays_busy_is_an_error_and_data_is_kept(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("model.safetensors", Fault(cut_after=500_000), *[Fault(status=503, headers=NOW)] * 5)

    with pytest.raises(HubError, match=r"responds with status 503; try again later: downloaded data is kept"):
        locate(REPOSITORY)
    (part,) = incomplete(cache)
    kept = part.stat().st_size
    assert kept > 0

    locate(REPOSITORY)
    assert hub.seen("GET", "signed")[-1].headers["range"] == f"bytes={kept}-"


def test_a_hub_that_asks_for_a_long_wait_is_not_waited_for(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", Fault(status=429, headers={"Retry-After": "3600"}, method="HEAD"))
    with pytest.raises(HubError, match=r"responds with status 429 and asks to wait 3600 s; try again later"):
        locate(REPOSITORY)
    assert len(hub.requests) == 1


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_silent_hub_is_an_error_in_bounded_time(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", *[Fault(stall_after=0, method=method)] * 9)
    with pytest.raises(HubError, match=r"127.0.0.1:\d+ does not respond within 0.2 s; try again later"):
        locate(REPOSITORY)
    assert len(hub.seen(method, "config.json")) == 2  # of 10 s each, with a pause of 2 s


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_hub_that_drips_its_header_is_an_error_in_bounded_time(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.5")
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", *[Fault(drip_header=True, method=method)] * 9)
    begun = time.monotonic()
    with pytest.raises(HubError, match=r"127.0.0.1:\d+ does not respond within 0.5 s; try again later"):
        locate(REPOSITORY)
    assert time.monotonic() - begun < 15
    assert len(hub.seen(method, "config.json")) == 2


def test_a_damaged_body_of_the_right_length_is_downloaded_again(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    wrong = bytes(len(model_files["model.safetensors"]))
    hub.fail("model.safetensors", Fault(body=wrong))
    progress = Count()

    files = locate(REPOSITORY, progress=progress)

    assert (files.folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    assert progress.arrived == progress.total


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_body_that_stays_damaged_is_refused_and_not_kept(
    hub: HubServer, cache: Path, model_files: dict[str, bytes], name: str
) -> None:
    hub.add(REPOSITORY, model_files)
    wrong = bytes(len(model_files[name]))
    hub.fail(name, Fault(body=wrong), Fault(body=wrong))

    with pytest.raises(DamagedModelError, match=rf"'{name}' of 'owner/tiny' was damaged in two downloads") as caught:
        locate(REPOSITORY)
    assert caught.value.exit_code == 5
    assert not incomplete(cache)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == wrong]
    assert locate(REPOSITORY).commit == COMMIT


def test_a_part_of_another_program_does_not_damage_the_file(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    sha256 = hashlib.sha256(model_files["model.safetensors"]).hexdigest()
    part = cache / "models--owner--tiny" / "blobs" / f"{sha256}.detcli.incomplete"
    part.parent.mkdir(parents=True)
    for left in (b"x" * 100, bytes(2_000_000)):
        part.write_bytes(left)
        files = download(REPOSITORY, update=True)
        assert (files.folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
        (cache / "models--owner--tiny" / "blobs" / sha256).unlink()


def test_a_server_that_cannot_continue_starts_from_the_beginning(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("model.safetensors", Fault(cut_after=400_000), Fault(no_range=True))
    progress = Count()
    files = locate(REPOSITORY, progress=progress)
    assert (files.folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    assert progress.arrived == progress.total


def test_two_processes_download_one_model_once(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    processes = [child(REPOSITORY) for _ in range(3)]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    assert len({out.splitlines()[-1] for out, _ in answers}) == 1
    assert hub.bodies_sent() == sum(map(len, model_files.values()))


def test_shards_are_downloaded_by_their_index(hub: HubServer, model_files: dict[str, bytes]) -> None:
    parts = {
        "model-00001-of-00002.safetensors": {"a": torch.ones(2)},
        "model-00002-of-00002.safetensors": {"b": torch.zeros(3)},
    }
    index = {"metadata": {}, "weight_map": {name: file for file, tensors in parts.items() for name in tensors}}
    sharded = {name: safetensors.torch.save(tensors) for name, tensors in parts.items()}
    files = {name: data for name, data in model_files.items() if name != "model.safetensors"} | sharded
    hub.add(REPOSITORY, {**files, "model.safetensors.index.json": json.dumps(index).encode()})

    found = locate(REPOSITORY)
    checkpoint = read_checkpoint(found)
    asked = len(hub.requests)

    assert set(checkpoint.tensors) == {"a", "b"}
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(sharded.items()))
    assert checkpoint.sha256 == found.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert locate(REPOSITORY) == found
    assert len(hub.requests) == asked
    (found.folder / "model-00001-of-00002.safetensors").unlink()
    assert locate(REPOSITORY) == found


def test_a_missing_preprocessor_is_reported_and_not_requested_again(
    hub: HubServer, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, {name: data for name, data in model_files.items() if name != "preprocessor_config.json"})
    checkpoint = read_checkpoint(locate(REPOSITORY))
    asked = len(hub.requests)
    assert checkpoint.preprocessor == {}
    assert "'owner/tiny' has no preprocessor_config.json" in checkpoint.notes[0]
    locate(REPOSITORY)
    assert len(hub.requests) == asked


@pytest.mark.parametrize("links", ["symbolic", "hard", "none"])
def test_the_cache_works_without_links(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, links: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "no links here")

    if links != "symbolic":
        monkeypatch.setattr(Path, "symlink_to", refuse)
    if links == "none":
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    hub.add(REPOSITORY, model_files)
    files = locate(REPOSITORY)
    asked, sent = len(hub.requests), hub.bodies_sent()

    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == model_files
    assert (files.folder / "config.json").is_symlink() == (links == "symbolic")
    assert locate(REPOSITORY) == files
    assert len(hub.requests) == asked
    assert download(REPOSITORY, update=True) == files
    assert hub.bodies_sent() == sent


def test_a_changed_file_in_the_cache_is_refused_and_downloaded_again(
    hub: HubServer, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    files = locate(REPOSITORY)
    weights = files.folder / "model.safetensors"
    weights.write_bytes(bytes(len(model_files["model.safetensors"])))

    with pytest.raises(DamagedModelError, match=r"is damaged.*download 'owner/tiny' again") as caught:
        locate(REPOSITORY)
    assert caught.value.exit_code == 5
    assert download(REPOSITORY).folder == files.folder
    assert weights.read_bytes() == model_files["model.safetensors"]
    assert locate(REPOSITORY).sha256 == files.sha256


def test_a_copied_cache_is_verified_once_and_then_trusted(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    files = locate(REPOSITORY)
    os.utime(files.folder / "model.safetensors", ns=(1, 1))
    assert locate(REPOSITORY) == files
    place = CachedRepository(files.folder.parents[2], REPOSITORY)
    assert place.facts(COMMIT)["model.safetensors"].modified_ns == 1


def test_files_of_the_hubs_client_are_used_after_verification(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    place = cache / "models--owner--tiny"
    snapshot = place / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (place / "blobs").mkdir()
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    for name, data in model_files.items():
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        blob = place / "blobs" / (hashlib.sha256(data).hexdigest() if name.endswith(".safetensors") else git)
        blob.write_bytes(data)
        (snapshot / name).symlink_to(blob)

    files = locate(REPOSITORY)
    assert files.sha256 == hashlib.sha256(model_files["model.safetensors"]).hexdigest()
    assert hub.requests == []

    (place / "detcli.json").unlink()
    (snapshot / "model.safetensors").write_bytes(bytes(len(model_files["model.safetensors"])))
    with pytest.raises(DamagedModelError, match=r"is damaged"):
        locate(REPOSITORY)


def test_a_damaged_record_is_written_again(hub: HubServer, cache: Path, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    files = locate(REPOSITORY)
    asked = len(hub.requests)
    record = cache / "models--owner--tiny" / "detcli.json"
    for damage in (
        b"",
        b"\xff",
        b"[]",
        b'{"revisions": [], "commits": 3}',
        b'{"revisions": {"main": "../../x"}, "commits": {}}',
    ):
        record.write_bytes(damage)
        assert locate(REPOSITORY) == files
    assert len(hub.requests) == asked


def test_a_full_disk_is_reported_before_the_download(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPOSITORY, model_files)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(
        OutputError, match=r"has 1,000 bytes of free disk space, but the download needs 1,0.*`cache_dir`"
    ) as caught:
        locate(REPOSITORY)
    assert caught.value.exit_code == 8


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
def test_a_disk_that_fills_up_on_the_way_keeps_what_arrived(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
    process = subprocess.run([sys.executable, "-c", limit + CHILD, REPOSITORY], capture_output=True, text=True)
    assert "detcli.errors.OutputError: cannot write" in process.stderr
    assert [path.stat().st_size for path in incomplete(cache)] == [600_000]
    sent = hub.bodies_sent()
    locate(REPOSITORY)
    assert hub.bodies_sent() - sent == len(model_files["model.safetensors"]) - 600_000


def test_a_cache_that_cannot_be_written_is_used_as_it_is(
    hub: HubServer, cache: Path, model_files: dict[str, bytes]
) -> None:
    hub.add(REPOSITORY, model_files)
    files = locate(REPOSITORY)
    asked = len(hub.requests)
    record = cache / "models--owner--tiny" / "detcli.json"
    record.unlink()
    record.mkdir()  # also root cannot write a file there
    assert locate(REPOSITORY) == files
    assert len(hub.requests) == asked


def test_importing_and_using_a_cached_model_needs_no_http_library(
    hub: HubServer, model_files: dict[str, bytes], write_model: Callable[..., Path]
) -> None:
    hub.add(REPOSITORY, model_files)
    locate(REPOSITORY)
    code = (
        f"import sys; from {hub_room.__name__} import locate; locate({REPOSITORY!r}); "
        "print([name for name in ('torch', 'numpy', 'huggingface_hub', 'httpx', 'httpx2') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
