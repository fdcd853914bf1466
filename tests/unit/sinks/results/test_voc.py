"""Pascal VOC: files by the documented layout, for other readers of XML, and read back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.dom import minidom
from xml.etree import ElementTree

import numpy as np
import pytest

from detcli.errors import InputError, UsageError
from detcli.io.results import format_of_results, read_results
from detcli.io.results.xml_text import as_xml, from_xml
from detcli.sinks.results.voc import VocAnnotations
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame
from detcli.structures.json_records import Result


def written(folder: Path, results: list[Any], settings: SinkSettings) -> Path:
    sink = VocAnnotations(folder, settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    return folder


def test_a_file_has_the_elements_of_pascal_voc(settings: SinkSettings, results: list[Result], tmp_path: Path) -> None:
    root = ElementTree.parse(written(tmp_path / "out", results, settings) / "a.xml").getroot()
    assert root.tag == "annotation"
    assert [root.findtext(tag) for tag in ("folder", "filename", "path", "segmented")] == ["", "a.jpg", "in/a.jpg", "0"]
    assert [root.findtext(f"size/{tag}") for tag in ("width", "height", "depth")] == ["640", "480", "3"]
    first, second = root.findall("object")
    assert [first.findtext(tag) for tag in ("name", "pose", "truncated", "difficult", "score")] == [
        "dog", "Unspecified", "0", "0", "0.93",
    ]  # fmt: skip
    assert [first.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")] == [
        "10.1", "20.2", "110.3", "220.4",
    ]  # fmt: skip
    assert second.findtext("name") == "cat"


def test_no_scores_leaves_plain_annotations(settings: SinkSettings, results: list[Result], tmp_path: Path) -> None:
    folder = written(tmp_path / "out", results[:1], replace(settings, no_scores=True))
    assert "score" not in (folder / "a.xml").read_text()
    with pytest.raises(InputError, match="object 1: it has no score: these are annotations, not detections"):
        list(read_results(folder))


def test_images_without_boxes_have_a_file_and_failed_ones_none(
    settings: SinkSettings, results: list[Result], tmp_path: Path
) -> None:
    folder = written(tmp_path / "out", results, settings)
    assert ElementTree.parse(folder / "sub/b.xml").findall("object") == []
    assert not (folder / "c.xml").exists()
    assert len(list(folder.rglob("*.xml"))) == len(results) - 1


@pytest.mark.parametrize("label", ["<script>&amp;]]>", "汽车", "line\nbreak\r", "\x1b[31m", "\ufffe", 'a" b', " "])
def test_hostile_labels_are_text_for_every_parser(
    settings: SinkSettings, results: list[Result], tmp_path: Path, label: str
) -> None:
    chosen = replace(settings, info=replace(settings.info, labels=ClassLabels((label, "dog", "x"), (1, 2, 3))))
    folder = written(tmp_path / "out", results[:1], chosen)
    text = ElementTree.parse(folder / "a.xml").findall("object")[1].findtext("name") or ""
    name = minidom.parse(str(folder / "a.xml")).getElementsByTagName("name")[1].firstChild
    assert from_xml(text) == label
    assert name is not None
    assert name.nodeValue == text
    [image] = read_results(folder)
    assert [box.label for box in image.boxes or ()] == ["dog", label]


@pytest.mark.parametrize("code", [*range(1, 0x20), 0x7F, 0x85, 0x2028, 0xDC80, 0xDCFF, 0xFFFE, 0xFFFF, 0x1F600])
def test_every_character_is_read_back(code: int) -> None:
    text = f"a{chr(code)}b"
    root = ElementTree.fromstring(f"<a>{as_xml(text)}</a>".encode())
    assert from_xml(root.text or "") == text


def test_what_was_written_is_recognized_and_read(settings: SinkSettings, results: list[Result], tmp_path: Path) -> None:
    folder = written(tmp_path / "out", results, settings)
    assert format_of_results(folder) == "voc"
    kept = {frame.origin.relative: found for frame, found in results if isinstance(found, Detections)}
    images = list(read_results(folder))
    assert {image.file for image in images} == set(kept)
    for image in images:
        found = kept[image.file or ""]
        boxes = np.array([box.bbox for box in image.boxes or ()]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.allclose(boxes, found.boxes_xyxy, atol=1e-3)
        assert [np.float32(box.score) for box in image.boxes or ()] == found.scores.tolist()
        assert image.size_hw == (480, 640)


def test_frames_tracks_and_deviations_are_elements(
    settings: SinkSettings, results: list[Result], tmp_path: Path
) -> None:
    frame, found = results[0]
    assert isinstance(frame, Frame)
    assert isinstance(found, Detections)
    origin = replace(
        frame.origin, file="in.mp4", relative="in.mp4/000007.jpg", stem="in.mp4/000007", frame=7, time_s=0.2
    )
    known = replace(found, track_ids=np.array([12, 3]), box_std=np.arange(8.0).reshape(2, 4))
    folder = written(tmp_path / "out", [(replace(frame, origin=origin), known)], settings)
    entry = ElementTree.parse(folder / "in.mp4/000007.xml").find("object")
    assert entry is not None
    assert [entry.findtext(f"bbox_std/{side}") for side in ("xmin", "ymax")] == ["0.0", "3.0"]
    [image] = read_results(folder)
    assert (image.file, image.frame) == ("in.mp4", 7)
    assert [box.track_id for box in image.boxes or ()] == [12, 3]


def test_existing_files_are_skipped_on_request(settings: SinkSettings, results: list[Result], tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("mine")
    written(tmp_path, results[:2], replace(settings, skip_existing=True))
    assert (tmp_path / "a.xml").read_text() == "mine"
    assert (tmp_path / "sub/b.xml").exists()


def test_a_stream_is_refused(settings: SinkSettings) -> None:
    with pytest.raises(UsageError, match="needs a folder"):
        VocAnnotations(Path("/dev/stdout"), settings)


BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>"
BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotation><filename>&c;</filename></annotation>'
)


def objects(inner: str) -> str:
    return f"<annotation><filename>a.jpg</filename><object>{inner}</object></annotation>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'{path}' is not XML of an annotation, or is damaged: no element found"),
        ("hello", "is not XML of an annotation, or is damaged"),
        (objects(BOX)[:40], "is not XML of an annotation, or is damaged"),
        ("<?xml version='1.0' encoding='nonsense'?><annotation/>", "is not XML of an annotation, or is damaged"),
        ("<html><body/></html>", "XML of something else: its element is <html>"),
        (BOMB, "has a document type"),
        ("<annotation/>", "the image: filename is missing"),
        (
            "<annotation><filename>a</filename><size><width>x</width><height>1</height></size></annotation>",
            "width is 'x'",
        ),
        (objects("<name>cat</name><score>1</score>"), "object 1: bndbox is missing"),
        (objects(f"<score>1</score>{BOX}"), "object 1: name is missing"),
        (objects(f"<name>cat</name><score>high</score>{BOX}"), "score is 'high', not a number"),
        (objects(f"<name>cat</name><score>nan</score>{BOX}"), "score is nan, not a finite number"),
        (objects(f"<name>cat</name><score>1</score>{BOX.replace('3', '0')}"), "has the width -1"),
        (objects(f"<name>cat</name><score>1</score>{BOX.replace('>3<', '><')}"), "xmax is"),
    ],
)
def test_damaged_files_are_named_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        list(read_results(tmp_path, format_name="voc"))
    assert str(raised.value).startswith(f"'{path}'")
    assert message.format(path=path) in str(raised.value)


def test_a_bomb_in_another_encoding_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(BOMB.encode("utf-16"))
    with pytest.raises(InputError, match="has a document type"):
        list(read_results(tmp_path))


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_text("x")])
def test_a_folder_without_files_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "out")
    with pytest.raises(InputError, match=r"there are no files of Pascal VOC|is not a folder"):
        list(read_results(tmp_path / "out", format_name="voc"))
