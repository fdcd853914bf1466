"""Runs over shards: merged, they are one run; resumed, they stay the same; and none gets another one's results."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import detcli as package
from detcli.engine.inputs.preview import preview
from detcli.engine.requests.run_request import ImageInputSettings, ImageRequest, ModelSettings, OutputSettings
from detcli.engine.run import run
from detcli.errors import InputError, OutputError, UsageError
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.structures.stop_signal import StopSignal
from tests.helpers.cli_runs import Run, broken, image
from tests.helpers.engine_runs import RecordingObserver, StopAfter, image_request
from tests.helpers.stored_results import content, rewrite, suffix_of

IMAGES = 11
NUMBER = re.compile(r"\d+\.\d+(?:e-?\d+)?")


@pytest.fixture(scope="module")
def detector(model: Path) -> Detector:
    return load_detector(str(model), device="cpu", threshold=0.01, max_detections=2, batch_size=4, deterministic=True)


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a folder with eleven images in `in/`, one of them broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for number in range(IMAGES):
        image(tmp_path / "in" / ("sub" if number % 3 else "") / f"{number:02}.png", number)
    broken(tmp_path / "in" / "03.png")
    return tmp_path / "in"


def of_shard(
    detector: Detector, shard: str | None, *outputs: str, limit: int | None = None, **output: Any
) -> ImageRequest:
    """A run over a shard of `in`, or over all of it."""
    given: dict[str, Any] = {"sources": ("in",), "shard": shard, "limit": limit}
    return ImageRequest(
        input=ImageInputSettings(**given),
        model=ModelSettings(model=detector),
        compute=replace(image_request(Path("m")).compute, deterministic=True, batch_size=None),
        output=OutputSettings(outputs=outputs, **output),
    )


def shards(count: int) -> list[str]:
    return [f"{number}/{count}" for number in range(1, count + 1)]


def records(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def parts(pattern: str) -> list[Path]:
    return sorted(Path().glob(pattern))


def test_merged_shards_are_the_bytes_of_one_run(many: Path, detector: Detector) -> None:
    """Also where batches cannot be full, and where some shards are empty."""
    run(of_shard(detector, None, "one.jsonl", header=True))
    for count in (1, 2, 3, 4, 5, 16):
        for shard in shards(count):
            run(of_shard(detector, shard, f"of-{count}/part-{{shard}}.jsonl", header=True))
        assert len(parts(f"of-{count}/*")) == count
        rewrite(parts(f"of-{count}/*"), Path(f"merged-{count}.jsonl"))
        assert content(Path(f"merged-{count}.jsonl")) == content(Path("one.jsonl"))


@pytest.mark.parametrize("name", ["jsonl", "coco", "parquet", "yolo"])
def test_merged_shards_of_a_format_are_one_run_in_it(name: str, many: Path, detector: Detector) -> None:
    suffix = suffix_of(name)
    run(of_shard(detector, None, f"one{suffix}", format=name))
    for shard in shards(3 if name == "yolo" else 12):  # YOLO has no empty results
        run(of_shard(detector, shard, f"parts/{{shard}}{suffix}", format=name))
    rewrite(parts("parts/*"), Path(f"merged{suffix}"), name, **({"images": many} if name == "yolo" else {}))
    assert content(Path(f"merged{suffix}")) == content(Path(f"one{suffix}"))


def test_formats_without_indices_are_merged_from_json_lines(many: Path, detector: Detector) -> None:
    """The bytes of one run in JSON Lines, converted: right edges are left edges and widths, as results.md says."""
    run(of_shard(detector, None, "one.jsonl", header=True))
    for shard in shards(3):
        run(of_shard(detector, shard, "part-{shard}.jsonl", header=True))
    for name in ("csv", "coco-results", "voc"):
        one, converted, merged = (Path(f"{name}-{which}{suffix_of(name)}") for which in ("one", "converted", "merged"))
        run(of_shard(detector, None, str(one), format=name))
        rewrite([Path("one.jsonl")], converted, name)
        rewrite(parts("part-*"), merged, name)
        assert content(merged) == content(converted), name
        if name == "coco-results":  # widths too
            assert content(merged) == content(one)
        else:
            texts, numbers = without_numbers(merged)
            assert texts == without_numbers(one)[0]
            np.testing.assert_array_max_ulp(numbers, without_numbers(one)[1], maxulp=1, dtype=np.float32)


def without_numbers(path: Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The text of results between their fractional numbers, and these numbers."""
    stored = content(path)
    files = stored if isinstance(stored, dict) else {path.name.partition("-")[0]: stored}
    text = "".join(f"{name}\n{files[name].decode()}" for name in sorted(files))
    return NUMBER.split(text), np.array(NUMBER.findall(text), np.float32)


def test_shards_share_images_but_no_files(many: Path, detector: Detector) -> None:
    folders = {"save_images": "drawn-{shard}", "save_crops": "crops-{shard}"}
    run(of_shard(detector, None, save_images="drawn", save_crops="crops"))
    stats = [run(of_shard(detector, shard, **folders)) for shard in shards(2)]
    assert [(each.images, each.failed) for each in stats] == [(6, 0), (4, 1)]
    assert stats[1].outputs == (Path("drawn-2"), Path("crops-2"))
    for whole, some in (("drawn", "drawn-[12]"), ("crops", "crops-[12]")):
        of_shards = [content(folder) for folder in parts(some)]
        assert not set(of_shards[0]) & set(of_shards[1])
        assert {**of_shards[0], **of_shards[1]} == content(Path(whole))


def test_records_have_the_index_of_the_whole_input(many: Path, detector: Detector) -> None:
    run(of_shard(detector, None, "one.jsonl"))
    run(of_shard(detector, "3/4", "part.jsonl", "part.json"))
    assert records("part.jsonl") == [record for record in records("one.jsonl") if record["index"] % 4 == 2]
    ids = [entry["id"] for entry in json.loads(Path("part.json").read_text())["images"]]
    assert ids == [record["index"] + 1 for record in records("part.jsonl") if record["error"] is None]


def test_the_limit_comes_before_the_shards(many: Path, detector: Detector) -> None:
    run(of_shard(detector, None, "one.jsonl", limit=5))
    for shard in shards(2):
        run(of_shard(detector, shard, "part-{shard}.jsonl", limit=5))
    assert [len(records(path)) for path in parts("part-*")] == [3, 2]
    rewrite(parts("part-*"), Path("merged.jsonl"))
    assert content(Path("merged.jsonl")) == content(Path("one.jsonl"))


def test_a_stopped_shard_resumes_to_the_same_bytes(many: Path, detector: Detector) -> None:
    outputs = ("out.jsonl", "out.json", "out.csv")
    run(of_shard(detector, "2/2", *(f"whole/{name}" for name in outputs)))
    stop = StopSignal()
    first = run(of_shard(detector, "2/2", *outputs), observer=StopAfter(2, stop), stop=stop)
    assert first.interrupted == "SIGTERM"
    observer = RecordingObserver()
    resumed = run(of_shard(detector, "2/2", *outputs, resume=True), observer=observer)
    assert resumed.resumed == first.images + first.failed
    assert (resumed.images, resumed.failed, observer.of("start")[0].count()) == (4, 1, 5)
    assert [Path(name).read_bytes() for name in outputs] == [Path("whole", name).read_bytes() for name in outputs]


def test_a_shard_is_not_resumed_as_another_one(many: Path, detector: Detector) -> None:
    stop = StopSignal()
    run(of_shard(detector, "1/2", "out.jsonl"), observer=StopAfter(2, stop), stop=stop)
    before = Path("out.jsonl").read_bytes()
    for other, shown in (("2/2", '"2/2"'), ("1/3", '"1/3"'), (None, "null")):
        with pytest.raises(UsageError, match=f'shard was "1/2" and is {shown}'):
            run(of_shard(detector, other, "out.jsonl", resume=True))
    run(of_shard(detector, "1/2", "done.jsonl"))
    with pytest.raises(OutputError, match=r"'done\.jsonl' exists, and there is no interrupted run to resume"):
        run(of_shard(detector, "2/2", "done.jsonl", resume=True))
    assert Path("out.jsonl").read_bytes() == before


def test_an_empty_shard_is_a_success_with_empty_outputs(many: Path, detector: Detector) -> None:
    stats = run(of_shard(detector, "12/12", "out.jsonl", "out.json"))
    assert (stats.images, stats.empty_shard, stats.exit_code) == (0, True, 0)
    assert Path("out.jsonl").read_bytes() == b""
    assert json.loads(Path("out.json").read_text())["images"] == []
    assert not Path("out.jsonl.journal").exists()


def test_a_shard_of_nothing_and_a_failed_shard_are_no_success(many: Path, detector: Detector) -> None:
    Path("empty").mkdir()
    request = of_shard(detector, "1/2", "out.jsonl")
    with pytest.raises(InputError, match="there are no images in 'empty'"):
        run(replace(request, input=replace(request.input, sources=("empty",))))
    assert not Path("out.jsonl").exists()
    stats = run(of_shard(detector, "2/11", "out.jsonl"))  # the broken image
    assert (stats.failed, stats.exit_code) == (1, 4)


def test_a_placeholder_needs_a_shard(many: Path, detector: Detector) -> None:
    for output in (
        {"save_images": "drawn-{shard}"},
        {"counts": "c-{shard}.csv"},
        {"save_crops": "{shard}"},
        {"save_masks": "{shard}/masks"},
    ):
        with pytest.raises(UsageError, match=r"has '\{shard\}' in it, which is the number of a `shard`: set one"):
            of_shard(detector, None, **output)
    with pytest.raises(UsageError, match=r"'part-\{shard\}\.jsonl' has '\{shard\}' in it"):
        of_shard(detector, None, "part-{shard}.jsonl")


def test_a_dry_run_lists_the_images_of_the_shard(many: Path, detector: Detector) -> None:
    listed = []
    for shard in (None, *shards(3)):
        with preview(of_shard(detector, shard)) as planned:
            assert planned is not None
            listed.append(list(planned.files()))
            assert planned.count() == len(listed[-1])
    assert [listed[0][start::3] for start in range(3)] == listed[1:]


def test_a_slow_number_of_shards_is_said(many: Path, detector: Detector) -> None:
    for shard, said in (("1/3", []), ("1/6", ["6 shards fill 2 of 4 positions"]), ("1/4", ["4 shards fill 1 of 4"])):
        observer = RecordingObserver()
        run(of_shard(detector, shard), observer=observer)
        warnings = observer.of("warning")
        assert len(warnings) == len(said)
        assert all(part in warning for part, warning in zip(said, warnings, strict=True))


def test_python_takes_shards_as_text_and_as_numbers(many: Path, detector: Detector) -> None:
    run(of_shard(detector, "2/3", "engine.jsonl"))
    for shard in ("2/3", (2, 3)):
        package.detect("in", model=detector, outputs="out-{shard}.jsonl", shard=shard, if_exists="overwrite")
        assert Path("out-2.jsonl").read_bytes() == Path("engine.jsonl").read_bytes()
    frames = package.open_source("in", shard="2/3")
    assert [frame.origin.index for frame in frames] == [record["index"] for record in records("engine.jsonl")]
    assert frames.count() == len(records("engine.jsonl"))
    with pytest.raises(UsageError, match="there is no shard 0/3"):
        package.detect("in", model=detector, shard=(0, 3))


def test_shards_of_stored_results_are_drawn_once_each(many: Path, detector: Detector) -> None:
    run(of_shard(detector, None, "out.jsonl"))
    package.filter_results("out.jsonl", "kept.jsonl", only="with")
    package.draw_results("kept.jsonl", "drawn")
    counts = [package.draw_results("kept.jsonl", "drawn-{shard}", shard=shard).images for shard in shards(3)]
    assert counts == [4, 3, 3]
    assert {name: data for folder in parts("drawn-*") for name, data in dict(content(folder)).items()} == content(
        Path("drawn")
    )
    assert package.draw_results("kept.jsonl", "none", shard="11/11").exit_code == 0


def test_the_command_line_says_what_is_no_shard(many: Path, detcli: Callable[..., Run]) -> None:
    for value, said in (("0/4", "add 1 to a number"), ("a/b", "a shard is such as 2/8"), ("/4", "may be unset")):
        for words in (("detect", "in"), ("segment", "in"), ("video", "in.mp4"), ("draw", "out.jsonl")):
            result = detcli(*words, "--shard", value)
            assert result.code == 2
            assert said in " ".join(result.err.split())
