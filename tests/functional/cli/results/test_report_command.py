"""`detcli report`: stored results as HTML pages, on the command line and in Python."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from detcli.engine.observer import Observer
from tests.helpers.chromium import CHROMIUM, Page
from tests.helpers.cli_runs import Run, broken, image
from tests.helpers.galleries import records_of, summary_of
from tests.helpers.stored_results import content

Detcli = Callable[..., Run]


@pytest.fixture
def run(detcli: Detcli, images: Path, model: Path) -> Path:
    """The results of a run over five images and a damaged one."""
    broken(images / "bad.png")
    outputs = ("-o", "run.jsonl", "-o", "run.json", "-o", "run.csv", "-o", "labels/")
    assert detcli("detect", "in/", "-m", model, "-t", "0", "--max-det", "5", *outputs).code == 3
    return Path("run.jsonl")


def class_names(report: Path) -> list[list[str]]:
    """The classes of each image that did not fail."""
    names = [entry["name"] for entry in summary_of(report)["classes"]]
    shown = [record for record in records_of(report) if "problem" not in record]
    return [[names[number] for number in record["classes"]] for record in shown]


def truth(path: Path, *, without: int = 0, shift: float = 0) -> Path:
    """Annotations that are the best two detections of each image of run.jsonl; one has another class."""
    lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    read = [line for line in lines if line["error"] is None]
    images = [
        {"id": 10 + n, "file_name": line["file"].removeprefix("in/"), "width": 64, "height": 48}
        for n, line in enumerate(read)
    ]
    entries = [
        {"image_id": 10 + n, "category_id": 1 + (each["label_id"] + (n == 0)) % 3, "bbox": each["bbox"], "iscrowd": 0}
        for n, line in enumerate(read)
        for each in line["detections"][:2]
    ]
    for number, entry in enumerate(entries, 1):
        left, top, width, height = entry["bbox"]
        entry |= {"id": number, "area": width * height, "bbox": [left + shift, top, width, height]}
    names = sorted({(e["label_id"], e["label"]) for line in read for e in line["detections"]})
    categories = {1 + index: name for index, name in names} | {1: "one", 2: "two", 3: "three"}
    for index, name in names:
        categories[1 + index] = name
    document = {
        "images": images,
        "annotations": entries,
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
    }
    path.write_text(json.dumps(document))
    return path


def test_every_format_gives_a_report_of_its_images(run: Path, detcli: Detcli) -> None:
    others = ("run.parquet", "voc", "studio.json")
    for name, format_name in zip(others, ("parquet", "voc", "label-studio"), strict=True):
        assert detcli("convert", "run.jsonl", "-o", name, "-f", format_name).code == 0
    for name in ("run.jsonl", "run.json", "run.csv", "labels", *others):
        done = detcli("report", name, "--images", "in/", "-o", f"report-{name}")
        assert done.code == 0, done.err
        assert f"-> report-{name}/index.html" in done.err
    first = records_of(Path("report-run.jsonl"))
    assert [record["name"] for record in first] == [
        f"in/{n}" for n in ("0.png", "1.png", "2.png", "bad.png", "sub/3.png", "sub/4.png")
    ]
    assert [record.get("thumbnail") for record in first] == [1, 1, 1, None, 1, 1]
    assert first[3]["problem"][0] == "failed"
    assert "truncated" in first[3]["problem"][1]
    assert all(0 < len(record["classes"]) <= 5 for record in first if "problem" not in record)
    for name in ("run.json", "run.csv", "labels", *others):
        shown = records_of(Path(f"report-{name}"))
        good = [record for record in shown if "problem" not in record]
        assert len(good) == 5
        assert class_names(Path(f"report-{name}")) == class_names(Path("report-run.jsonl"))
        assert all(record["thumbnail"] == 1 for record in good)
    summary = summary_of(Path("report-run.jsonl"))
    assert (summary["images"], summary["failed"], summary["missing"]) == (6, 1, 0)
    assert sum(entry["count"] for entry in summary["classes"]) == summary["boxes"] == 25
    assert sum(summary_of(Path("report-run.json"))["sizes"]) == 25
    assert summary_of(Path("report-run.json"))["facts"]["threshold"] == "0.0"


def test_missing_and_changed_images_are_told_and_shown_without_pixels(run: Path, detcli: Detcli) -> None:
    Path("in/0.png").unlink()
    shutil.copy(broken(Path("damaged.png")), "in/1.png")
    lines = run.read_text().splitlines(keepends=True)
    lines[2] = json.dumps(json.loads(lines[2]) | {"width": 65}) + "\n"
    Path("changed.jsonl").write_text("".join(lines))
    done = detcli("report", "changed.jsonl", "-o", "report/")
    assert done.code == 3
    assert "3 images cannot be shown, only their boxes: 'in/0.png' (no such file or folder)" in done.err
    assert "it has 64 x 48 pixels, and the results are of an image with 65 x 48" in done.err
    assert "6 images, 3 not found" in done.err
    shown = records_of(Path("report"))
    assert [record.get("thumbnail") for record in shown] == [None, None, None, None, 1, 1]
    assert [record["problem"][0] for record in shown[:4]] == ["missing", "missing", "missing", "failed"]
    assert all(record["boxes"] for record in shown[:3])
    other = detcli("report", run, "--images", "in/sub", "-o", "other/")
    assert other.code == 3
    assert "no image of this name is in 'in/sub'" in other.err
    assert summary_of(Path("other"))["missing"] == 3


def test_images_in_an_archive_are_shown(run: Path, detcli: Detcli, model: Path) -> None:
    """Where the results say that they are in one, and in one that is named."""
    shutil.make_archive("in", "tar", "in")
    assert detcli("detect", "in.tar", "-m", model, "-t", "0", "-o", "tar.jsonl").code == 3
    assert detcli("report", "tar.jsonl", "-o", "named/").code == 0
    assert detcli("report", run, "--images", "in.tar", "-o", "given/").code == 0
    for folder in ("named", "given"):
        assert [record.get("thumbnail") for record in records_of(Path(folder))].count(1) == 5


def test_names_of_results_lead_to_no_other_file(run: Path, detcli: Detcli, tmp_path: Path) -> None:
    """With --images, only that folder is read; nothing is written outside of the report."""
    image(tmp_path / "secret.png", 7)
    record = json.loads(run.read_text().splitlines()[0])
    names = ("../secret.png", "/etc/passwd", "https://127.0.0.1:1/a.png", "</script>.png", "in/\udcff.png", "0.png")
    hostile = [record | {"index": number, "file": name} for number, name in enumerate(names)]
    Path("hostile.jsonl").write_text("".join(json.dumps(line) + "\n" for line in hostile))
    before = set(tmp_path.rglob("*"))
    assert detcli("report", "hostile.jsonl", "--images", "in/", "-o", "out/").code == 3
    assert {path.relative_to(tmp_path).parts[0] for path in set(tmp_path.rglob("*")) - before} == {"out"}
    shown = records_of(Path("out"))
    assert [record["name"] for record in shown] == list(names)
    assert [record.get("thumbnail") for record in shown] == [None] * 5 + [1]


def test_a_report_with_ground_truth_agrees_with_eval(run: Path, detcli: Detcli) -> None:
    truth(Path("gt.json"))
    done = detcli("report", run, "--gt", "gt.json", "--images", "in/", "--score", "0.1", "-o", "report/")
    assert done.code == 0, done.err
    evaluated = package.evaluate(results="run.jsonl", ground_truth="gt.json", images="in", score=0.1, bootstrap=0)
    summary, expected = summary_of(Path("report")), evaluated.to_dict()
    metrics = summary["metrics"]["metrics"]
    for name in ("AP", "AP50", "AP75", "AR100"):
        assert metrics[name] == pytest.approx(expected["metrics"][name], abs=1e-4)
    confusion = expected["confusion"]
    assert summary["metrics"]["counts"] == {
        "matched": confusion["true_positives"],
        "missed": confusion["false_negatives"],
        "false positive": confusion["false_positives"],
        "wrong class": confusion["misclassified"],
    }
    assert confusion["misclassified"] >= 1
    names = [each["name"] for each in summary["outcomes"]]
    found = [names[outcome] for record in records_of(Path("report")) for outcome in record["outcomes"]]
    assert {name: found.count(name) for name in names[:4]} == summary["metrics"]["counts"]
    mistakes = {"missed", "false positive", "wrong class"}
    by_file = {
        record["name"].removeprefix("in/"): sum(names[outcome] in mistakes for outcome in record["outcomes"])
        for record in records_of(Path("report"))
    }
    for worst in expected["worst"]:
        assert by_file[worst["file"]] == worst["false_negatives"] + worst["misclassified"] + worst["false_positives"]
    of_class = {entry["name"]: entry for entry in summary["metrics"]["classes"]}
    for each in expected["classes"]:
        if each["ground_truth"]:
            assert of_class[each["name"]]["ap50"] == pytest.approx(each["AP50"], abs=1e-4)
            assert len(of_class[each["name"]]["curve"]) == 101
    for record in records_of(Path("report")):
        for outcome, expected_class in zip(record["outcomes"], record["expected"], strict=True):
            assert (names[outcome] == "wrong class") == (expected_class >= 0)


def test_every_format_is_evaluated_to_the_same(run: Path, detcli: Detcli) -> None:
    truth(Path("gt.json"))
    found = []
    for name in ("run.jsonl", "run.json", "run.csv", "labels"):
        options = ("--gt", "gt.json", "--images", "in/", "--score", "0.1", "-o", f"report-{name}")
        done = detcli("report", name, *options)
        assert done.code == 0, done.err
        found.append(summary_of(Path(f"report-{name}"))["metrics"]["counts"])
    assert found == found[:1] * 4


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_the_report_with_its_images(run: Path, detcli: Detcli, tmp_path: Path) -> None:
    truth(Path("gt.json"))
    assert detcli("report", run, "--gt", "gt.json", "--images", "in/", "--score", "0", "-o", "report/").code == 0
    shutil.move("report", "moved")  # it needs nothing that is elsewhere
    shutil.rmtree("in")
    with Page(tmp_path / "profile") as page:
        page.open((tmp_path / "moved/index.html").as_uri())
        widths = page.evaluate("""Promise.all([...document.querySelectorAll(".card img")].map(async (image) => {
          image.loading = "eager";
          await image.decode();
          return image.naturalWidth;
        }))""")
        assert widths == [64] * 5
        assert page.evaluate("document.querySelectorAll('.card').length") == 6
        assert page.evaluate("document.getElementById('images-title').textContent") == "Worst images first"
        assert page.evaluate("document.querySelectorAll('#curves path.curve').length") == 3
        assert page.problems == []
        assert all(url.startswith((tmp_path / "moved").as_uri()) for url in page.requests)


def test_images_that_only_the_annotations_have_are_shown_as_missed(run: Path, detcli: Detcli) -> None:
    truth(Path("gt.json"))
    lines = run.read_text().splitlines(keepends=True)
    Path("part.jsonl").write_text("".join(lines[1:]))
    done = detcli("report", "part.jsonl", "--gt", "gt.json", "--images", "in/", "-o", "report/")
    assert done.code == 0, done.err
    assert "1 of the 5 images of the annotations have no results" in done.err
    *_, last = records_of(Path("report"))
    missed = [entry["name"] for entry in summary_of(Path("report"))["outcomes"]].index("missed")
    assert (last["name"], last["outcomes"], last["scores"]) == ("0.png", [missed] * 2, [None] * 2)
    assert last["thumbnail"] == 1


def test_ground_truth_of_failed_images_is_missed(run: Path, detcli: Detcli) -> None:
    document = json.loads(truth(Path("gt.json")).read_text())
    document["images"].append({"id": 99, "file_name": "bad.png", "width": 64, "height": 48})
    box = {"id": 99, "image_id": 99, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}
    document["annotations"].append(box)
    Path("gt.json").write_text(json.dumps(document))
    assert detcli("report", run, "--gt", "gt.json", "-o", "report/").code == 0
    names = [each["name"] for each in summary_of(Path("report"))["outcomes"]]
    [bad] = [record for record in records_of(Path("report")) if record["name"] == "in/bad.png"]
    assert [names[outcome] for outcome in bad["outcomes"]] == ["missed"]
    assert (bad["problem"][0], bad["size"], bad["boxes"]) == ("failed", [64, 48], [1, 2, 30, 40])


def test_detections_outside_of_the_annotations_are_not_evaluated(run: Path, detcli: Detcli) -> None:
    """Images and classes that the annotations do not have are shown, and count for nothing."""
    document = json.loads(truth(Path("gt.json")).read_text())
    document["images"] = document["images"][1:]
    document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] != 10]
    Path("gt.json").write_text(json.dumps(document))
    done = detcli("report", run, "--gt", "gt.json", "--score", "0.01", "-o", "report/")
    assert done.code == 0, done.err
    names = [each["name"] for each in summary_of(Path("report"))["outcomes"]]
    assert {names[outcome] for outcome in records_of(Path("report"))[0]["outcomes"]} == {"not evaluated"}


def test_coco_results_get_names_and_images_from_the_annotations(run: Path, detcli: Detcli) -> None:
    """Ids alone are enough: images are found next to the annotations."""
    truth(Path("in/gt.json"))
    assert detcli("convert", run, "--gt", "in/gt.json", "-o", "ids.json", "-f", "coco-results").code == 0
    done = detcli("report", "ids.json", "--gt", "in/gt.json", "--score", "0", "-o", "report/")
    assert done.code == 0, done.err
    shown = records_of(Path("report"))
    assert {record["name"] for record in shown} == {"0.png", "1.png", "2.png", "sub/3.png", "sub/4.png"}
    assert all(record["thumbnail"] == 1 and record["size"] == [64, 48] for record in shown)


def test_a_report_that_exists_stays_unless_it_may_be_replaced(run: Path, detcli: Detcli) -> None:
    assert detcli("report", run, "-o", "report/").code == 0
    Path("report/notes.txt").write_text("mine")
    before = content(Path("report"))
    done = detcli("report", run, "-o", "report/", "--thumbnail", "32")
    assert done.code == 8
    assert "the folder 'report' is not empty" in done.err
    skipped = detcli("report", run, "-o", "report/", "--if-exists", "skip")
    assert skipped.code == 0
    assert "'report' exists; skipped" in skipped.err
    assert content(Path("report")) == before
    Path("short.jsonl").write_text("".join(run.read_text().splitlines(keepends=True)[:2]))
    assert detcli("report", "short.jsonl", "-o", "report/", "-y", "--thumbnail", "32").code == 0
    after = content(Path("report"))
    assert isinstance(after, dict)
    assert after["notes.txt"] == b"mine"
    assert [name for name in sorted(after) if name.startswith("thumbs/")] == [
        "thumbs/000/000000.jpg",
        "thumbs/000/000001.jpg",
    ]
    assert detcli("report", run, "-o", "in/", "--if-exists", "skip").err.count("'in' exists; skipped") == 1
    assert len(list(Path("in").rglob("*.*"))) == 6


def test_requests_that_make_no_sense_change_nothing(run: Path, detcli: Detcli) -> None:
    Path("broken.jsonl").write_text(run.read_text()[:-20])
    Path("other.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    Path("file").write_text("x")
    before = content(Path())
    for arguments, code, message in (
        (("run.jsonl",), 2, "missing option"),
        (("run.jsonl", "-o", "in/"), 8, "'in' is not empty"),
        (("run.jsonl", "--images", "in/", "-o", "in/", "-y"), 2, "input and output at once"),
        (("run.jsonl", "-o", "file"), 8, "it is a file"),
        (("run.jsonl", "-o", "-"), 2, "is a folder of files: --output must name it"),
        (("run.jsonl", "-o", "/dev/stdout"), 2, "is a folder of files"),
        (("run.jsonl", "--images", "none/", "-o", "report/"), 2, "--images must be a folder or an archive of images"),
        (("run.jsonl", "--score", "0.5", "-o", "report/"), 2, "it needs --gt"),
        (("run.jsonl", "--thumbnail", "7", "-o", "report/"), 2, "--thumbnail"),
        (("none.json", "-o", "report/"), 4, "no such file or folder"),
        (("broken.jsonl", "-o", "report/"), 4, "broken.jsonl"),
        (("in/0.png", "-o", "report/"), 2, "in/0.png"),
        (("run.jsonl", "--gt", "other.json", "-o", "report/"), 4, "other.json"),
        (("run.jsonl", "--gt", "none.json", "-o", "report/"), 2, "none.json"),
        (("labels", "-o", "report/"), 2, "name the folder of the images in --images"),
    ):
        done = detcli("report", *arguments)
        assert done.code == code, (arguments, done.err)
        assert message in done.err, (arguments, done.err)
    assert content(Path()) == before
    assert not Path("report").exists()


def test_frames_of_a_video_are_boxes_or_images_of_a_folder(run: Path, detcli: Detcli) -> None:
    record = json.loads(run.read_text().splitlines()[0])
    tracked = [each | {"track_id": number} for number, each in enumerate(record["detections"], 1)]
    frames = [
        record | {"index": n, "file": "clip.mp4", "frame": n, "time_s": n / 25, "detections": tracked} for n in range(2)
    ]
    Path("clip.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    done = detcli("report", "clip.jsonl", "-o", "boxes/")
    assert done.code == 0
    assert "frames are shown as boxes, without pixels" in done.err
    shown = records_of(Path("boxes"))
    assert [entry["name"] for entry in shown] == ["clip.mp4, frame 0", "clip.mp4, frame 1"]
    assert shown[0]["tracks"] == list(range(1, len(tracked) + 1))
    assert not any("problem" in entry or "thumbnail" in entry for entry in shown)
    for number in range(2):
        image(Path(f"frames/clip/frame_{number:06d}.jpg"))
    done = detcli("report", "clip.jsonl", "--images", "frames/", "-o", "images/")
    assert done.code == 0, done.err
    assert all(entry["thumbnail"] == 1 for entry in records_of(Path("images")))


class Stops(Observer):
    """Ends the run at its first image."""

    def __init__(self, stop: package.StopSignal) -> None:
        self._stop = stop

    def on_result(self, *_: object) -> None:
        self._stop.set()


def test_a_report_that_is_interrupted_leaves_what_was_there(run: Path) -> None:
    for output in ("new", "old"):
        if output == "old":
            package.report_results("run.jsonl", "old")
        before = content(Path(output)) if output == "old" else None
        stop = package.StopSignal()
        stats = package.report_results("run.jsonl", output, if_exists="overwrite", observer=Stops(stop), stop=stop)
        assert (stats.interrupted, stats.exit_code, stats.outputs) == ("SIGINT", 130, ())
        assert (content(Path(output)) if output == "old" else None) == before
    assert not Path("new").exists()


def test_python_writes_the_same_without_torch(run: Path, detcli: Detcli) -> None:
    truth(Path("gt.json"))
    assert detcli("report", run, "--gt", "gt.json", "-o", "by-command").code == 0
    script = (
        "import sys, detcli; s = detcli.report_results('run.jsonl', 'by-python', ground_truth='gt.json', workers=1);"
        "print(s.images, s.failed, s.exit_code, s.outputs[0], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "0", "0", str(Path("by-python/index.html")), "False"]
    assert content(Path("by-python")) == content(Path("by-command"))
    with pytest.raises(package.UsageError, match="`thumbnail`"):
        package.report_results("run.jsonl", "again", thumbnail=1)
    with pytest.raises(package.UsageError, match="`ground_truth`"):
        package.report_results("run.jsonl", "again", score=0.5)
