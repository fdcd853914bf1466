"""Where results go: decided from the settings alone, before anything is opened."""

from pathlib import Path
from typing import Any

import pytest

from detcli.engine.outputs.output_plan import OutputPlan, check_plan, make_plan
from detcli.engine.outputs.output_targets import ResultTarget, VideoTarget
from detcli.engine.outputs.standard_output import Sink, SinkSettings
from detcli.engine.outputs.video_plan import make_video_plan
from detcli.engine.requests.run_request import OutputSettings, VideoInputSettings, VideoRequest
from detcli.errors import OutputError, UsageError


class FakeStandardOutput:
    """A standard output that is there, or closed."""

    def __init__(self, default_format: str = "jsonl", *, closed: bool = False) -> None:
        self.default_format = default_format
        self._closed = closed

    def check(self, *, binary: bool) -> None:
        if self._closed:
            raise OutputError("standard output is closed")

    def open(self, format_name: str, settings: SinkSettings) -> Sink:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan_of(
    *outputs: str, stdout: FakeStandardOutput | None = None, task: str | None = None, **others: Any
) -> OutputPlan:
    return make_plan(OutputSettings(outputs=outputs, **others), stdout, task=task)


@pytest.mark.parametrize(
    ("output", "format_name"),
    [("a.jsonl", "jsonl"), ("a.json", "coco"), ("a.coco.json", "coco"), ("a.csv", "csv"), ("folder/", "yolo")],
)
def test_the_suffix_chooses_the_format(output: str, format_name: str) -> None:
    (target,) = plan_of(output).targets
    assert (target.format, target.path) == (format_name, Path(output))


def test_without_outputs_results_go_to_standard_output_if_there_is_one() -> None:
    assert plan_of().targets == ()
    assert plan_of(stdout=FakeStandardOutput("table")).targets == (ResultTarget("table", None),)
    assert plan_of("-", stdout=FakeStandardOutput(), format="csv").targets == (ResultTarget("csv", None),)


def test_a_closed_standard_output_matters_only_if_it_is_used() -> None:
    closed = FakeStandardOutput(closed=True)
    assert plan_of("a.jsonl", stdout=closed).targets[0].path == Path("a.jsonl")
    with pytest.raises(OutputError, match="closed"):
        plan_of(stdout=closed)


def test_the_journal_is_next_to_the_first_file() -> None:
    assert plan_of("a.csv", "b.jsonl").journal == Path("a.csv.journal")
    assert plan_of("-", "b.jsonl", stdout=FakeStandardOutput()).journal == Path("b.jsonl.journal")
    assert plan_of(save_images="drawn").journal is None


def test_results_list_files_before_folders() -> None:
    plan = plan_of("labels/", "a.json", save_images="drawn", format=None)
    assert plan.results == ((Path("labels"), True), (Path("a.json"), False), (Path("drawn"), True))
    assert Path("a.json.journal") not in dict(plan.results)


def test_coco_panoptic_has_a_folder_next_to_its_file() -> None:
    plan = plan_of("out.json", format="coco-panoptic", task="panoptic")
    assert plan.extra_folders == (Path("out"),)
    with pytest.raises(UsageError, match=r"cannot hold the images and the files of out\.json"):
        plan_of("out.json", format="coco-panoptic", task="panoptic", save_images="out")


@pytest.mark.parametrize(
    ("outputs", "task", "message"),
    [
        (("folder/",), "panoptic", "holds boxes and no masks"),
        (("a.jsonl", "./a.jsonl"), None, "two outputs would go to"),
        (("",), None, "one of `outputs` is empty"),
        (("a.xyz",), None, "cannot tell the format of 'a.xyz'"),
        (("x/a.txt",), None, "use 'x/a/', or set `format` to yolo; results are .jsonl"),
        (("a.PNG",), None, "annotated images go to a folder: set `save_images`; results are"),
        (("a.mp4",), None, "set `save_video`"),
        (("a.xlsx",), None, "use 'a.csv'"),
        (("a.feather",), None, "use 'a.parquet'"),
    ],
)
def test_impossible_outputs_are_refused(outputs: tuple[str, ...], task: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_of(*outputs, task=task)
    assert message in str(caught.value)


def test_a_format_of_one_file_needs_no_folder() -> None:
    with pytest.raises(UsageError, match=r"'out/' is a folder, and the format csv is one file: use 'out\.csv'"):
        plan_of("out/", format="csv")


def test_skip_leaves_only_the_outputs_that_are_missing() -> None:
    Path("a.jsonl").touch()
    settings = OutputSettings(outputs=("a.jsonl", "b.csv"), if_exists="skip")
    plan = check_plan(make_plan(settings, None), (), settings)
    assert [target.path for target in plan.targets] == [Path("b.csv")]
    assert plan.skipped == (Path("a.jsonl"),)
    assert plan.journal == Path("b.csv.journal")


def video_plan(*, live: bool = False, outputs: tuple[str, ...] = (), **others: Any) -> OutputPlan:
    request = VideoRequest(
        input=VideoInputSettings(sources=("a.mp4", "b.mp4")), output=OutputSettings(outputs=outputs), **others
    )
    return make_video_plan(request, ("x/a", "x/b"), ("x-a", "x-b"), live=live, stdout=None)


def test_a_name_in_braces_makes_one_output_per_source() -> None:
    plan = video_plan(outputs=("o/{name}.jsonl", "all.csv"), save_video="films")
    assert plan.targets == (
        ResultTarget("jsonl", Path("o/x-a.jsonl"), "x/a"),
        ResultTarget("jsonl", Path("o/x-b.jsonl"), "x/b"),
        ResultTarget("csv", Path("all.csv")),
    )
    assert plan.videos == (VideoTarget(Path("films/x-a.mp4"), "x/a"), VideoTarget(Path("films/x-b.mp4"), "x/b"))


@pytest.mark.parametrize(("others", "resumable"), [({}, True), ({"track": True}, False), ({"live": True}, False)])
def test_only_records_of_files_without_tracks_can_be_resumed(others: dict[str, Any], resumable: bool) -> None:
    assert (video_plan(outputs=("a.jsonl",), **others).journal is not None) is resumable


def test_several_sources_cannot_share_one_video() -> None:
    with pytest.raises(UsageError, match=r"2 sources cannot share 'out.mp4'.*'{name}'.*'{name}.mp4'"):
        video_plan(save_video="out.mp4")
