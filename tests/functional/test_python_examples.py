"""The Python examples of the README and the documentation run, with the bundled model in place of downloaded ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import detcli
from detcli.engine.requests.run_request import ModelSettings, OutputSettings, VideoInputSettings, VideoRequest
from detcli.engine.run import run
from tests.helpers.archive_files import tar_bytes, zip_bytes
from tests.helpers.markdown_pages import name_of, pages, text_of
from tests.helpers.shape_images import shape_images, shape_video

PROJECT = Path(__file__).parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODELS = re.compile(r'"(dfine-[nsmlx]|detr-r50[a-z0-9-]*)"')
CLASSES = {'"person"': '"circle"', '"dog"': '"square"'}


def examples(path: Path) -> str:
    """All Python blocks of a page as one script, for the bundled model."""
    script = "\n".join(PYTHON.findall(path.read_text(encoding="utf-8")))
    for name, other in CLASSES.items():
        script = script.replace(name, other)
    return MODELS.sub('"shapes"', script).replace('["cuda:0", "cuda:1"]', '"cpu:2"')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the examples read."""
    monkeypatch.chdir(tmp_path)
    [image, *_] = shape_images(tmp_path / "images", count=3)
    Image.open(image).convert("RGB").save("street.jpg")
    shape_video(tmp_path / "in.mp4", frames=4)
    return tmp_path


# Page -> what its examples write. The pages about contributing have tests of their own.
OUTPUTS: dict[str, list[str]] = {
    "README.md": ["out.coco.json", "annotated"],
    "docs/quickstart.md": [],
    "docs/guides/python.md": ["out.jpg", "out.coco.json"],
    "docs/guides/export.md": [],
    "docs/guides/archives.md": ["out.jsonl"],
    "docs/guides/bench.md": [],
    "docs/guides/cluster.md": ["out.jsonl"],
    "docs/guides/devices.md": ["out.jsonl"],
    "docs/guides/counting.md": ["images.csv", "counts.csv", "events.csv"],
    "docs/guides/data.md": ["parts/annotations/instances_val.json"],
    "docs/guides/report.md": ["report/index.html"],
    "docs/guides/shards.md": ["part-1.jsonl", "part-4.jsonl", "out.jsonl"],
    "docs/guides/watching.md": ["out.jsonl"],
    "docs/guides/your-own-data.md": ["batch.jpg", "runs/own/best/model.safetensors"],
    "docs/guides/results.md": ["out.csv", "all.jsonl", "dogs.json", "annotated"],
}


def write_results() -> None:
    """Results of three images, and the same in two parts."""
    Path("images").rename("photos")
    detcli.detect("photos", model="shapes", outputs="out.jsonl", header=True)
    header, *lines = Path("out.jsonl").read_bytes().splitlines(keepends=True)
    for part in range(2):
        Path(f"part-{part + 1}.jsonl").write_bytes(header + b"".join(lines[part::2]))


def write_archives() -> None:
    """A zip, and two shards of a range."""
    members = {path.name: path.read_bytes() for path in Path("images").iterdir()}
    Path("photos.zip").write_bytes(zip_bytes(members))
    for number in range(2):
        Path(f"shard-{number:03}.tar").write_bytes(tar_bytes(members))


def write_tracks() -> None:
    """Results of a video with tracks."""
    video = VideoInputSettings(sources=("in.mp4",))
    output = OutputSettings(outputs=("tracks.jsonl",))
    run(VideoRequest(input=video, model=ModelSettings(model="shapes"), output=output, track=True))


def write_annotations() -> None:
    """Results of three images, and annotations that they match."""
    Path("images").rename("photos")
    detcli.detect("photos", model="shapes", outputs="out.json")
    document = json.loads(Path("out.json").read_bytes())
    for entry in document["annotations"]:
        del entry["score"]
    Path("annotations.json").write_text(json.dumps(document))


def test_every_page_with_python_examples_is_run() -> None:
    with_examples = {name_of(page) for page in pages() if PYTHON.search(text_of(page))}
    assert {name for name in with_examples if not name.startswith("docs/contributing/")} == OUTPUTS.keys()


@pytest.mark.parametrize(("page", "outputs"), OUTPUTS.items())
def test_the_python_examples_of_a_page_run(page: str, outputs: list[str], folder: Path) -> None:
    script = examples(PROJECT / page)
    assert "import " in script
    if "mine.onnx" in script:
        detcli.export_model("shapes", "mine.onnx", outputs="boxes")
    if "part-1.jsonl" in script:
        write_results()
    if "photos.zip" in script:
        write_archives()
    if "tracks.jsonl" in script:
        write_tracks()
    if "annotations.json" in script:
        write_annotations()
    if "cluster=" in script:  # another test may have started Ray in this process
        subprocess.run([sys.executable, "-c", script], check=True)
    else:
        exec(compile(script, page, "exec"), {})
    assert all((folder / output).exists() for output in outputs)


def test_the_example_of_the_package_runs(folder: Path) -> None:
    [_, example] = (detcli.__doc__ or "").split("none of them:\n")
    script = "\n".join(line.removeprefix("    ") for line in example.splitlines())
    exec(compile(MODELS.sub('"shapes"', script), "detcli", "exec"), {})
    assert (folder / "out.jpg").is_file()
