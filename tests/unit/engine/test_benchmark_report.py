"""Figures of a benchmark: combinations, medians, percentiles, the bottleneck, the best cases, tables and plot."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.cells import cell_len

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.benchmark import bench_options
from detcli.cli.benchmark.bench_table import report_lines
from detcli.engine.benchmark import benchmark_request
from detcli.engine.benchmark.benchmark_files import case_name, prepare_files, to_json, write_files, write_plot
from detcli.engine.benchmark.benchmark_inputs import split_models
from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult, CaseRun, percentile
from detcli.engine.benchmark.benchmark_request import BenchmarkCase, BenchmarkRequest
from detcli.engine.benchmark.run_benchmark import check_accuracy
from detcli.errors import UsageError
from detcli.inference.segmentation.segmentation_settings import TASKS

STAGES = {"read": 1.0, "decode": 30.0, "resize": 6.0, "batch": 0.5, "network": 20.0, "postprocess": 1.0, "jsonl": 0.2}


def run(seconds: float = 2.0, **changes: Any) -> CaseRun:
    values: dict[str, Any] = {
        "start_s": 1.5,
        "first_result_s": 1.7,
        "images": 20,
        "seconds": seconds,
        "stages_ms": STAGES,
        "latencies_ms": [10.0, 20.0],
        "peak_mib": 500.0,
        "device_mib": None,
        "batch_size": 4,
        "precision": "fp32",
        "device": "cpu",
        "workers": 2,
    }
    return CaseRun(**values | changes)


def result(*runs: CaseRun, ap: float | None = None, **case: Any) -> CaseResult:
    return CaseResult(BenchmarkCase(**{"model": "shapes"} | case), list(runs), published_ap=ap)


def report(*results: CaseResult, interrupted: str | None = None) -> BenchmarkReport:
    return BenchmarkReport(results, {"processor": "a processor"}, {"images": 20}, interrupted)


def test_values_are_combined_with_each_other_once() -> None:
    request = BenchmarkRequest(
        models=("shapes", "dfine-n", "shapes"),
        runtimes=("torch", "openvino"),
        batch_sizes=(1, 4, 1),
        queries=(None, 10),
        image_sizes=((64, 96),),
    )
    cases = list(request.cases())
    assert len(cases) == len(set(cases)) == 2 * 2 * 2 * 2
    assert {case.image_size for case in cases} == {(64, 96)}


def test_an_exported_file_runs_only_as_it_was_exported() -> None:
    request = BenchmarkRequest(models=("m.onnx",), runtimes=("torch", "openvino", "onnx"), queries=(10, 20))
    assert [(case.runtime, case.queries) for case in request.cases()] == [("openvino", None), ("onnx", None)]
    with pytest.raises(UsageError, match="exported files run in openvino or onnx, not in torch"):
        BenchmarkRequest(models=("m.onnx",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runtimes": ("tensorrt",)}, "`runtime` must be one of torch, openvino, onnx, not 'tensorrt'"),
        ({"precisions": ("int4",)}, "`precision` must be one of"),
        ({"batch_sizes": (0,)}, "`batch_size` must be at least 1"),
        ({"queries": (0,)}, "`queries` must be at least 1"),
        ({"decoder_layers": (65,)}, "`decoder_layers` must be at most 64"),
        ({"image_sizes": ((0, 4),)}, "`image_size` must be at least 1"),
        ({"images": 0}, "`images` must be at least 1"),
        ({"repeat": 0}, "`repeat` must be at least 1"),
        ({"sinks": ("pdf",)}, "`sinks` must be one of"),
        ({"models": ()}, "no model"),
        ({"batch_sizes": tuple(range(1, 1002))}, "1,001 combinations are more than 1,000"),
    ],
)
def test_invalid_values_are_refused_before_anything_runs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BenchmarkRequest(**values)


def test_the_options_know_the_words_of_the_request() -> None:
    assert bench_options.RUNTIMES == benchmark_request.RUNTIMES
    assert bench_options.SINKS == benchmark_request.SINKS
    assert bench_options.TASKS == TASKS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sinks": ("masks",)}, "`sinks`: masks cannot hold boxes"),
        ({"task": "instance", "sinks": ("coco-panoptic",)}, "coco-panoptic cannot hold instance masks"),
        ({"task": "semantic", "sinks": ("yolo",)}, "yolo cannot hold semantic masks"),
        ({"sinks": ("coco", "coco-results")}, "coco-results cannot be combined"),
        ({"sinks": ("coco-results", "csv")}, "coco-results cannot be combined"),
        ({"task": "semantic", "data": "shapes"}, "`data` measures no semantic masks"),
        ({"task": "everything"}, "`task` must be one of panoptic, instance, semantic"),
    ],
)
def test_sinks_and_task_must_fit_together(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BenchmarkRequest(**values)
    BenchmarkRequest(sinks=("jsonl", "csv", "yolo", "coco", "images", "crops"))
    BenchmarkRequest(task="panoptic", sinks=("coco-panoptic", "masks"), data="panoptic.json")


@pytest.mark.parametrize(("task", "metric"), [(None, "AP"), ("panoptic", "PQ"), ("instance", "mask AP")])
def test_the_metric_is_that_of_the_task(task: Any, metric: str) -> None:
    assert BenchmarkRequest(task=task).metric == metric
    measured = result(run(ap=0.25))
    measured.metric = metric
    key = metric.lower().replace(" ", "_")
    assert (measured.as_json()[key], measured.as_json()[f"{key}_is_measured"]) == (0.25, True)
    lines = list(report_lines(report(measured), width=100, bold=False))
    assert metric in lines[0]
    assert f"{metric} is measured or as published" in " ".join(lines)


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ({"models": ("dfine-s",)}, True),
        ({"models": ("dfine-s",), "revision": "main"}, False),
        ({"models": ("dfine-s",), "queries": (10,)}, False),
        ({"models": ("mine",)}, False),
        ({"models": ("mine",), "data": "shapes"}, True),
        ({"models": ("mine", "dfine-n")}, True),
        ({"models": ("detr-r50-panoptic",), "task": "panoptic"}, True),
        ({"models": ("detr-r50-panoptic",), "task": "instance"}, False),
    ],
)
def test_a_plot_without_any_point_is_refused_at_once(values: dict[str, Any], known: bool) -> None:
    if known:
        check_accuracy(BenchmarkRequest(**values))
        return
    with pytest.raises(UsageError, match="is known for any combination; `data` measures it"):
        check_accuracy(BenchmarkRequest(**values))


def test_a_plot_is_left_out_where_nothing_with_an_ap_ran(tmp_path: Path) -> None:
    files = prepare_files({"output": tmp_path / "a.json", "plot": tmp_path / "a.png"}, if_exists="error")
    assert write_files(report(result(run())), files) == (tmp_path / "a.json",)
    assert not (tmp_path / "a.png").exists()
    assert write_files(report(result(run(ap=0.3))), files) == (tmp_path / "a.json", tmp_path / "a.png")


def test_models_and_images_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "mine"):
        Path(folder).mkdir()
    Path("mine/config.json").write_text("{}")
    Path("a.jpg").write_bytes(b"")
    models = ["shapes", "mine", "m.onnx", "m.XML", "w.pth", "owner/name", "dfine-q"]
    sources = ["photos", "a.jpg", "missing.jpg", "*.png", "http://host/a.jpg", "in/missing.jpeg"]
    assert split_models([*models, *sources]) == (tuple(models), tuple(sources))
    assert split_models(list(CATALOG)) == (tuple(CATALOG), ())


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (90, 90), (99, 99), (100, 100), (0, 1)])
def test_percentiles_are_measured_values(percent: int, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected
    assert percentile([7.0], percent) == 7.0


def test_medians_are_of_the_runs() -> None:
    measured = result(run(1.0), run(4.0, start_s=3.5), run(2.0, latencies_ms=[30.0]))
    assert measured.images_per_second == 10
    assert measured.median("start_s") == 1.5
    assert measured.median("device_mib") is None
    assert measured.latency_ms == {50: 20.0, 90: 30.0, 99: 30.0}


@pytest.mark.parametrize(("workers", "stage"), [(1, "decode"), (2, "network")])
def test_the_bottleneck_counts_the_threads_that_read(workers: int, stage: str) -> None:
    assert result(run(workers=workers)).bottleneck == stage


def test_measured_ap_is_preferred_to_published_ap() -> None:
    assert result(run(), ap=0.5).ap == 0.5
    assert result(run(ap=0.4), run(), ap=0.5).ap == 0.4
    assert result(run()).ap is None


@pytest.mark.parametrize(
    "changes", [{"precision": "bf16"}, {"image_size": (64, 64)}, {"queries": 5}, {"decoder_layers": 1}]
)
def test_the_published_ap_is_not_that_of_a_changed_network(changes: dict[str, Any]) -> None:
    assert not BenchmarkCase(model="shapes", **changes).as_published
    assert BenchmarkCase(model="shapes", runtime="openvino", batch_size=3).as_published


def test_no_other_case_beats_the_best_ones_in_speed_and_ap() -> None:
    fast, middle = result(run(1.0), ap=0.3), result(run(2.0), ap=0.5)
    worse, slow, unknown = result(run(3.0), ap=0.4), result(run(4.0), ap=0.6), result(run(0.5))
    made = report(slow, worse, unknown, middle, fast)
    assert made.pareto() == [fast, middle, slow]
    assert made.fastest is unknown


def test_the_json_document_has_the_figures_and_no_nan() -> None:
    failed = result(runtime="onnx")
    failed.error = "no"
    document = json.loads(to_json(report(result(run(), run(4.0), ap=0.5), failed, interrupted="SIGINT")))
    case, other = document["cases"]
    assert case["images_per_second"] == 7.5
    assert case["images_per_second_runs"] == [10, 5]
    assert case["latency_ms"] == {"p50": 10.0, "p90": 20.0, "p99": 20.0}
    assert case["stages_ms"] == STAGES
    assert (case["bottleneck"], case["network_images_per_second"]) == ("network", 50)
    assert case["seconds_for_10_million"] == pytest.approx(10_000_000 / 7.5)
    assert (case["ap"], case["ap_is_measured"], other["error"]) == (0.5, False, "no")
    assert document["interrupted"] == "SIGINT"


def test_names_have_what_differs() -> None:
    one, other = result(run(), batch_size=1), result(run(), batch_size=4, runtime="openvino")
    assert [case_name(report(one, other), each) for each in (one, other)] == [
        "shapes, torch, batch 1",
        "shapes, openvino, batch 4",
    ]
    many = result(run(), queries=300)
    assert case_name(report(result(run()), many), many) == "shapes, 300 queries"
    few, whole = result(run(), queries=1, decoder_layers=2), result(run(), image_size=(480, 640))
    assert [case_name(report(few, whole), each) for each in (few, whole)] == [
        "shapes, its size, 1 query, 2 layers",
        "shapes, 480x640, all queries, all layers",
    ]
    assert case_name(report(one), one) == "shapes"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_tables_fit_the_width_and_have_every_figure(width: int) -> None:
    cases = [
        result(run(), ap=0.512, runtime="openvino", precision="bf16", queries=100, decoder_layers=2),
        result(run(1.0, stages_ms=STAGES | {"images": 111.1}), model="a/rather-long-name-of-a-model"),
    ]
    cases[0].runs = [run(stages_ms=STAGES | {"images": 22.2})]
    lines = list(report_lines(report(*cases), width=width, bold=False))
    text = " ".join(" ".join(lines).split())
    for figure in ("10.0", "20.0", "0.512", "500", "111.1", "22.2", "10 million images would take", "p99"):
        assert figure in text
    if width >= 60:
        assert max(map(cell_len, lines)) <= width


def test_a_report_without_measurements_has_no_tables() -> None:
    assert list(report_lines(report(result()), width=80, bold=False)) == []


def test_the_plot_needs_an_ap_and_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no AP is known for any case: `data` measures it"):
        write_plot(report(result(run())), tmp_path / "plot.png")
    cases = [result(run(seconds), ap=ap, batch_size=1) for seconds, ap in ((0.1, 0.3), (4.0, 0.5), (5.0, 0.4))]
    write_plot(report(*cases), tmp_path / "plot.png")
    assert Image.open(io.BytesIO((tmp_path / "plot.png").read_bytes())).size[0] > 800
