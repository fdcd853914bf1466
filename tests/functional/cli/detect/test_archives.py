"""Archives through the commands: the same results as of the folder, everything below the outputs, failures by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli as package
from detcli.engine.run import run as run_request
from detcli.structures.stop_signal import StopSignal
from tests.helpers.archive_files import tar_bytes, zip_bytes
from tests.helpers.cli_runs import Run
from tests.helpers.engine_runs import StopAfter, image_request

Detect = Callable[..., Run]
ARCHIVES = ("in.tar", "in.tgz", "in.zip")


@pytest.fixture
def detect(detect: Detect) -> Detect:
    """Other batches would change the last digits."""
    return lambda *arguments: detect("--batch", "1", *arguments)


@pytest.fixture
def archives(images: Path) -> Path:
    """The test stands in a folder with `in/`, and the same images in archives and in two shards."""
    members = {path.relative_to(images).as_posix(): path.read_bytes() for path in sorted(images.rglob("*.png"))}
    Path("in.tar").write_bytes(tar_bytes(members))
    Path("in.tgz").write_bytes(tar_bytes(members, mode="w:gz"))
    Path("in.zip").write_bytes(zip_bytes(members))
    names = list(members)
    for number, part in enumerate((names[:2], names[2:])):
        Path(f"s-{number:03}.tar").write_bytes(tar_bytes({name: members[name] for name in part}))
    return images


def records(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def without_files(path: str) -> list[dict[str, Any]]:
    return [record | {"file": None} for record in records(path)]


def tree_of(folder: str) -> dict[str, bytes]:
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".detcli-files"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_results_and_images_are_those_of_the_folder(detect: Detect, archives: Path) -> None:
    assert detect("in", "-o", "in.jsonl", "-o", "in.yolo/", "-o", "in.json", "--save-images", "in.drawn").code == 0
    expected = json.loads(Path("in.json").read_text())
    for name in ARCHIVES:
        out = f"out-{name}"
        run = detect(
            name, *("-o", f"{out}.jsonl"), *("-o", f"{out}.yolo/"), *("-o", f"{out}.json"), "--save-images", out
        )
        assert run.code == 0
        assert [record["file"] for record in records(f"{out}.jsonl")] == [
            record["file"].replace("in/", f"{name}!/", 1) for record in records("in.jsonl")
        ]
        assert without_files(f"{out}.jsonl") == without_files("in.jsonl")
        assert tree_of(f"{out}.yolo") == tree_of("in.yolo")
        assert tree_of(out) == tree_of("in.drawn")
        found = json.loads(Path(f"{out}.json").read_text())
        assert (found["images"], found["annotations"]) == (expected["images"], expected["annotations"])


def test_shards_of_a_range_are_one_input(detect: Detect, archives: Path) -> None:
    assert detect("in", "-o", "in.jsonl").code == 0
    run = detect("s-{000..001}.tar", "-o", "s.jsonl", "--save-images", "drawn")
    assert run.code == 0
    assert without_files("s.jsonl") == without_files("in.jsonl")
    drawn = {name for name in tree_of("drawn") if name.endswith(".png")}
    assert drawn == {f"s-000.tar!/{n}.png" for n in (0, 1)} | {f"s-001.tar!/{n}.png" for n in (2, "sub/3", "sub/4")}
    parts = [f"part-{number}.jsonl" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        assert detect("s-{000..001}.tar", "--shard", f"{number}/2", "-o", part).code == 0
    merged = [record for part in parts for record in records(part)]
    assert sorted(merged, key=lambda record: record["index"]) == records("s.jsonl")


def test_ids_of_annotations_go_by_the_name_of_the_member(detect: Detect, archives: Path) -> None:
    names = ("0.png", "1.png", "2.png", "sub/3.png", "sub/4.png")
    images = [{"id": 70 + number, "file_name": name, "width": 8, "height": 8} for number, name in enumerate(names)]
    images.append({"id": 99, "file_name": "other/3.png", "width": 8, "height": 8})
    categories = [{"id": 1, "name": "cat"}]
    Path("gt.json").write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    for source in ("in.tgz", "s-{000..001}.tar"):
        run = detect(source, "--gt", "gt.json", "-o", "out.json", "-y")
        assert "not in the annotations of --gt" not in run.err
        assert [image["id"] for image in json.loads(Path("out.json").read_text())["images"]] == [70, 71, 72, 73, 74]


def test_stored_results_are_drawn_and_converted(detcli: Detect, detect: Detect, archives: Path) -> None:
    for name in ("in.tgz", "in.zip"):
        assert detect(name, "-o", "out.jsonl", "-o", "out.json", "--save-images", "drawn", "-y").code == 0
        for number, images in enumerate(((), ("--images", name), ("--images", "in"))):
            again = f"{name}-{number}"
            assert detcli("draw", "out.jsonl", *images, "--save-images", again).code == 0
            assert tree_of(again) == tree_of("drawn")
        assert detcli("convert", "out.jsonl", "-o", "again.json", "-y").code == 0
        first, second = (json.loads(Path(path).read_text()) for path in ("out.json", "again.json"))
        assert (first["images"], first["annotations"]) == (second["images"], second["annotations"])
    assert detect("s-{000..001}.tar", "-o", "s.jsonl", "-o", "s.json", "--header").code == 0
    assert detcli("convert", "s.jsonl", "-o", "again.json", "-y").code == 0
    first, second = (json.loads(Path(path).read_text()) for path in ("s.json", "again.json"))
    assert first["images"] == second["images"]
    assert detcli("draw", "s.jsonl", "--images", "s-{000..001}.tar", "--save-images", "shards").code == 0
    run = detcli("draw", "s.jsonl", "--images", "none.tar", "--save-images", "none")
    assert (run.code, "must be a folder or an archive of images" in run.err) == (2, True)


def test_failures_name_the_member_and_the_archive(detect: Detect, archives: Path) -> None:
    whole = Path("in.tar").read_bytes()
    good = Path("in/0.png").read_bytes()
    Path("cut.tar").write_bytes(whole[: whole.index(Path("in/1.png").read_bytes()) + 20])
    Path("bad.zip").write_bytes(zip_bytes({"/etc/a.png": good, "../b.png": good, "c.png": b"text, and no image"}))
    run = detect("cut.tar", "bad.zip", "none.tar", "-o", "out.jsonl", "--save-images", "deep/er/drawn")
    assert run.code == 3
    errors = {record["file"]: record["error"] and record["error"]["code"] for record in records("out.jsonl")}
    assert errors == {
        "cut.tar!/0.png": None,
        "cut.tar!/1.png": "truncated",
        "cut.tar": "truncated",
        "bad.zip!/etc/a.png": None,
        "bad.zip!/b.png": None,
        "bad.zip!/c.png": "not-an-image",
        "none.tar": "not-found",
    }
    for sentence in (
        "'cut.tar': the archive ends without its end mark: it was cut short; 2 members were read before",
        "'bad.zip!/c.png': text, not an image",
        "'none.tar': no such file or folder",
        "the names of 2 images lead out of the archive",
    ):
        assert sentence in run.err
    written = {path.as_posix() for path in Path().rglob("*.png") if path.parts[0] != "in"}
    assert written == {f"deep/er/drawn/{name}" for name in ("cut.tar!/0.png", "bad.zip!/etc/a.png", "bad.zip!/b.png")}


def test_no_output_replaces_an_archive_of_the_input(detect: Detect, archives: Path) -> None:
    before = Path("s-001.tar").read_bytes()
    for source in ("s-001.tar", "s-001.tar!", "s-001.tar!/2.png", "s-{000..001}.tar", "./s-{001..001}.tar"):
        run = detect(source, "-f", "jsonl", "-o", "s-001.tar", "-y")
        assert (run.code, "'s-001.tar' is input and output at once" in run.err) == (2, True), source
    run = detect("s-*.tar", "-f", "jsonl", "-o", "s-001.tar")
    assert (run.code, Path("s-001.tar").read_bytes()) == (8, before)


def test_ranges_without_files_end_with_a_sentence(detect: Detect, archives: Path) -> None:
    run = detect("x-{000..127}.tar", "-o", "out.jsonl")
    assert run.code == 4
    assert "'x-{000..127}.tar': no file of this range exists" in run.err
    run = detect("x-{0..99999999}.tar", "-o", "other.jsonl")
    assert run.code == 2
    assert "'x-{0..99999999}.tar' stands for 100,000,000 names, and 1,000,000 are the limit" in run.err
    assert not Path("other.jsonl").exists()
    Path("text.tar").write_bytes(tar_bytes({"a.txt": b"text", "b.json": b"{}"}))
    run = detect("text.tar")
    assert run.code == 4
    assert "there are no images in 'text.tar'; skipped 2 files of other suffixes: 1 .json, 1 .txt" in run.err


@pytest.mark.parametrize("name", ["in.tgz", "s-{000..001}.tar"])
def test_a_stopped_run_over_an_archive_resumes(model: Path, archives: Path, name: str) -> None:
    stop = StopSignal()
    run_request(image_request(model, name, outputs=("whole.jsonl",)))
    first = run_request(image_request(model, name, outputs=("out.jsonl",)), observer=StopAfter(2, stop), stop=stop)
    assert 2 <= first.images < 5
    resumed = run_request(image_request(model, name, outputs=("out.jsonl",), resume=True))
    assert (resumed.resumed, resumed.images) == (first.images, 5)
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_archives_are_sources_in_python(model: Path, archives: Path) -> None:
    expected = [frame.size_hw for frame in package.open_source("in")]  # type: ignore[union-attr]
    for name in ARCHIVES:
        frames = package.open_source(Path(name))
        assert [frame.size_hw for frame in frames] == expected  # type: ignore[union-attr]
        stats = package.detect(name, model=model, device="cpu", outputs=f"{name}.jsonl")
        assert (stats.images, stats.failed) == (5, 0)
        assert records(f"{name}.jsonl")[4]["file"] == f"{name}!/sub/4.png"
