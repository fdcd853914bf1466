"""Archives as sources of images: the same images as the folder they were made of, and hostile archives as records."""

import gc
import gzip
import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.io.naming import SkippedEntries
from detcli.sources.archives.read_ahead import ReadAhead
from detcli.sources.source import Source, SourceSettings, make_source
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.archive_files import special_tar, tar_bytes, zip_bytes

Tree = Callable[..., Path]
Files = Callable[..., list[str]]
Codes = Callable[..., dict[str, str]]
Opened = Callable[..., Source]

KINDS = ("tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "zip")
MODES = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def archive(path: Path, members: dict[str, bytes] | list[tuple[str, bytes]]) -> None:
    """Write an archive of the kind of its suffix."""
    kind = next(kind for kind in KINDS if path.name.endswith(f".{kind}"))
    path.write_bytes(zip_bytes(members) if kind == "zip" else tar_bytes(members, mode=MODES[kind]))


def read(source: Source) -> list[tuple[Any, ...]]:
    """What the images of a source are, without where they are."""
    answers = [item() for item in source]
    return [
        (
            answer.origin.index,
            answer.origin.relative,
            answer.origin.stem,
            answer.pixels.tobytes()
            if isinstance(answer, Frame) and answer.pixels is not None
            else getattr(answer, "code", None),
        )
        for answer in answers
    ]


NAMES = ("d/.hidden.jpg", "d/a-b/c.jpg", "d/a/0.jpg", "d/a/1.PNG", "d/a/x.v2.jpg", "d/b.jpg", "d/n.txt", "d/ä b.webp")


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_has_the_images_of_its_folder(tree: Tree, opened: Opened, image: bytes, kind: str) -> None:
    root = tree(*NAMES)
    (root / "d/broken.jpg").write_bytes(b"text, and no image")
    (root / "d/empty.jpg").touch()
    members = {name.removeprefix("d/"): (root / name).read_bytes() for name in NAMES}
    members |= {"broken.jpg": b"text, and no image", "empty.jpg": b""}
    archive(root / f"d.{kind}", {name: members[name] for name in sorted(members, key=os.fsencode)})
    for settings in (
        {},
        {"exclude": ("a",)},
        {"exclude": ("*.PNG", "a-b/*")},
        {"extensions": ("txt", "png")},
        {"recursive": False},
        {"limit": 2},
    ):
        expected = read(opened("d", **settings))
        assert expected
        assert read(opened(f"d.{kind}", **settings)) == expected, settings
        assert read(opened(f"d.{kind}", **settings, read_ahead=ReadAhead())) == expected, settings
    assert [item.origin.file for item in opened(f"d.{kind}")][:2] == [f"d.{kind}!/a-b/c.jpg", f"d.{kind}!/a/0.jpg"]


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_read_in_any_order(tree: Tree, opened: Opened, image: bytes, kind: str) -> None:
    root = tree()
    archive(root / f"d.{kind}", {f"{number}.jpg": image for number in range(9)} | {"9.jpg": b"text" * 30})
    for read_ahead in (None, ReadAhead()):
        items = list(opened(f"d.{kind}", read_ahead=read_ahead))
        for number in (3, 8, 0, 9, 4, 4, 9, 1):
            answer = items[number]()
            assert isinstance(answer, Frame) == (number < 9)
            assert answer.origin.file == f"d.{kind}!/{number}.jpg"


def test_archives_mix_with_folders_files_and_each_other(tree: Tree, files: Files, relatives: Any, image: bytes) -> None:
    root = tree("d/a.jpg", "b.jpg")
    for number in range(3):
        archive(root / f"s-{number:03}.tar", {"x/0.jpg": image, "1.jpg": image})
    archive(root / "z.zip", {"0.jpg": image})
    given = ("s-{000..001}.tar", "d", "z.zip", "b.jpg", "s-002.tar!/x/")
    assert files(*given) == [
        *("s-000.tar!/x/0.jpg", "s-000.tar!/1.jpg", "s-001.tar!/x/0.jpg", "s-001.tar!/1.jpg"),
        *("d/a.jpg", "z.zip!/0.jpg", "b.jpg", "s-002.tar!/x/0.jpg"),
    ]
    assert relatives(*given) == files(*given)
    assert relatives("s-000.tar") == ["x/0.jpg", "1.jpg"]
    assert relatives("s-000.tar!/x/") == relatives("s-000.tar!/x/0.jpg") == ["0.jpg"]
    assert files("*.tar") == [f"s-{number:03}.tar!/{name}" for number in range(3) for name in ("x/0.jpg", "1.jpg")]


def test_a_folder_does_not_open_its_archives(tree: Tree, files: Files, image: bytes) -> None:
    root = tree("d/a.jpg")
    archive(root / "d/b.tar", {"b.jpg": image})
    archive(root / "d/c.zip", {"c.jpg": image})
    assert files("d") == files("d/*") == files("**/*") == ["d/a.jpg"]
    assert files("d/*.zip") == ["d/c.zip!/c.jpg"]
    skipped = SkippedEntries()
    list(make_source(["d"], SourceSettings(skipped=skipped)))
    assert "1 .tar, 1 .zip; an archive that is named itself is read" in skipped.ending()


def test_nested_archives_are_not_opened(tree: Tree, files: Files, codes: Codes, image: bytes) -> None:
    root = tree()
    inner = zip_bytes({"inner.jpg": image})
    archive(root / "a.tar", {"b.zip": inner, "c.jpg": inner, "d.jpg": image})
    assert files("a.tar") == ["a.tar!/c.jpg", "a.tar!/d.jpg"]
    assert codes("a.tar") == {"a.tar!/c.jpg": "not-an-image", "a.tar!/d.jpg": "ok"}


def test_single_members_are_named_in_lists_too(tree: Tree, files: Files, codes: Codes, image: bytes) -> None:
    root = tree("b.jpg")
    for kind in KINDS:
        archive(root / f"a.{kind}", {"x/0.jpg": image, "x/.1.dat": image, "2.jpg": image})
        lines = [f"a.{kind}!/{name}" for name in ("x/0.jpg", "2.jpg", "x/.1.dat", "x/0.jpg", "nope.jpg")]
        (root / "list.txt").write_text("\n".join([*lines, "b.jpg"]), "utf-8")
        assert files(files_from="list.txt")[: len(lines)] == lines
        found = codes(files_from="list.txt", read_ahead=ReadAhead())
        assert found.pop(f"a.{kind}!/nope.jpg") == "not-found"
        assert set(found.values()) == {"ok"}


def test_what_is_not_there_is_one_record(tree: Tree, codes: Codes, image: bytes) -> None:
    root = tree()
    (root / "empty.tar").touch()
    (root / "text.zip").write_text("text " * 200)
    (root / "folder").mkdir()
    archive(root / "s-01.tar", {"0.jpg": image})
    assert codes("nope.tar", "empty.tar", "text.zip", "folder!/a.jpg", "folder.zip!") == {
        "nope.tar": "not-found",
        "empty.tar": "empty",
        "text.zip": "not-an-image",
        "folder!/a.jpg": "not-found",
        "folder.zip": "not-found",
    }
    assert codes("s-{00..02}.tar") == {"s-00.tar": "not-found", "s-01.tar!/0.jpg": "ok", "s-02.tar": "not-found"}
    assert codes("t-{00..02}.tar") == {"t-{00..02}.tar": "not-found"}
    with pytest.raises(UsageError, match="stands for 10,000,000 names"):
        make_source(["s-{0..9999999}.tar"], SourceSettings())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_stay_inside(tree: Tree, opened: Opened, image: bytes, kind: str) -> None:
    root = tree()
    names = ["/etc/a.jpg", "../../b.jpg", "C:\\c.jpg", "..\\d.jpg", "x/../../e.jpg", "e.jpg", "a.jpg", "a.jpg"]
    archive(root / f"a.{kind}", [(name, image) for name in names])
    skipped = SkippedEntries()
    found = [item() for item in opened(f"a.{kind}", skipped=skipped)]
    assert all(isinstance(frame, Frame) for frame in found)
    relative = [frame.origin.relative for frame in found]
    assert relative == ["etc/a.jpg", "b.jpg", "C/c.jpg", "d.jpg", "x/e.jpg", "e.jpg", "a.jpg", "a-2.jpg"]
    assert len({frame.origin.stem for frame in found}) == len(found)
    assert f"the names of 5 images lead out of the archive, as '/a.jpg' or '../a.jpg' do ('a.{kind}')" in (
        skipped.ending()
    )


def test_links_and_devices_are_records(tree: Tree, codes: Codes, image: bytes) -> None:
    root = tree()
    data = special_tar(("l.jpg", tarfile.SYMTYPE, "/etc/passwd"), ("d.jpg", tarfile.BLKTYPE, None))
    (root / "a.tar").write_bytes(data + tar_bytes({"g.jpg": image}))
    assert codes("a.tar") == {"a.tar!/l.jpg": "unsupported", "a.tar!/d.jpg": "not-a-file", "a.tar!/g.jpg": "ok"}


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_tar_cut_short_gives_the_images_before(tree: Tree, opened: Opened, image: bytes, kind: str) -> None:
    root = tree()
    whole = tar_bytes({f"{number}.jpg": image for number in range(6)})
    cut = whole[: whole.index(image, 3 * 1024) + 100]
    data = cut if kind == "tar" else gzip.compress(cut)
    (root / f"a.{kind}").write_bytes(data)
    answers = [item() for item in opened(f"a.{kind}", read_ahead=ReadAhead())]
    good = [answer for answer in answers if isinstance(answer, Frame)]
    assert len(good) >= 1
    assert answers[: len(good)] == good
    member, end = answers[len(good) :]
    assert isinstance(member, FailedFrame)
    assert isinstance(end, FailedFrame)
    assert (member.origin.file, member.code) == (f"a.{kind}!/{len(good)}.jpg", "truncated")
    assert (end.origin.file, end.code) == (f"a.{kind}", "truncated")
    assert f"; {len(good) + 1} members were read before" in end.message


@pytest.mark.parametrize("kind", KINDS)
def test_images_can_be_read_in_another_process(tree: Tree, opened: Opened, image: bytes, kind: str) -> None:
    root = tree()
    archive(root / f"d.{kind}", {f"{number}.jpg": image for number in range(6)})
    sent = pickle.loads(pickle.dumps(list(opened(f"d.{kind}"))[2:5]))
    answers = [item() for item in sent]
    assert [answer.origin.file for answer in answers] == [f"d.{kind}!/{number}.jpg" for number in (2, 3, 4)]
    assert all(isinstance(answer, Frame) for answer in answers)


def test_images_come_before_the_archive_is_complete(tree: Tree, opened: Opened, image: bytes) -> None:
    root = tree()
    whole = gzip.compress(tar_bytes({f"{n}.jpg": image + os.urandom(5000) for n in range(200)}), 1)
    (root / "a.tgz").write_bytes(whole[: len(whole) // 2])
    items = iter(opened("a.tgz", read_ahead=ReadAhead()))
    assert isinstance(next(items)(), Frame)


def test_streams_are_held_within_the_limit(tree: Tree, opened: Opened, image: bytes) -> None:
    root = tree()
    archive(root / "a.tgz", {f"{number}.jpg": image + bytes(50_000) for number in range(40)})
    limit = ReadAhead(200_000)
    for item in opened("a.tgz", read_ahead=limit):  # each is read before the next one is listed
        assert isinstance(item(), Frame)
    assert sum(1 for _ in opened("a.tgz", read_ahead=limit)) == 40  # each is dropped
    gc.collect()
    assert limit.reserve(200_000, wait=False)
    assert limit.reserve(0, wait=False)  # of no more than these two
    assert not limit.reserve(1, wait=False)


def test_samples_of_webdataset_have_one_image(tree: Tree, files: Files, image: bytes) -> None:
    root = tree()
    sample = {"json": b"{}", "jpg": image, "seg.png": image, "cls": b"1"}
    members = {f"{number:04}.{suffix}": data for number in range(3) for suffix, data in sample.items()}
    archive(root / "a.tar", members)
    assert files("a.tar") == [f"a.tar!/{number:04}.jpg" for number in range(3)]
    assert files("a.tar", extensions=("seg.png",)) == [f"a.tar!/{number:04}.seg.png" for number in range(3)]
    assert files("a.tar", extensions=("png",)) == []
    skipped = SkippedEntries()
    list(make_source(["a.tar"], SourceSettings(skipped=skipped)))
    assert "skipped 9 files of other suffixes: 3 .cls, 3 .json, 3 .seg.png" in skipped.ending()


def test_large_members_are_refused_before_they_are_read(tree: Tree, codes: Codes, image: bytes) -> None:
    root = tree()
    with zipfile.ZipFile(root / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.bmp", b"BM" + bytes(80 << 20))
        made.writestr("good.jpg", image)
    assert codes("a.zip", max_pixels=1000)["a.zip!/bomb.bmp"] == "too-large"
    assert codes("a.zip", max_pixels=1000)["a.zip!/good.jpg"] == "ok"
    buffer = io.BytesIO()
    info = tarfile.TarInfo("huge.jpg")
    info.size = 1 << 40
    (root / "b.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + buffer.getvalue())
    assert codes("b.tar") == {"b.tar!/huge.jpg": "too-large", "b.tar": "truncated"}


def test_the_pixel_limit_holds_in_archives(tree: Tree, codes: Codes, image: bytes) -> None:
    root = tree()
    archive(root / "a.tar", {"a.jpg": image})
    assert codes("a.tar", max_pixels=48) == {"a.tar!/a.jpg": "ok"}
    assert codes("a.tar", max_pixels=47) == {"a.tar!/a.jpg": "too-large"}


def test_counting_reads_no_stream(tree: Tree, opened: Opened, image: bytes) -> None:
    root = tree()
    for kind in KINDS:
        archive(root / f"a.{kind}", {f"{number}.jpg": image for number in range(5)})
        expected = 5 if kind in ("tar", "zip") else None
        assert opened(f"a.{kind}").count() == expected
        assert opened(f"a.{kind}!/0.jpg").count() == 1


def test_pixels_are_those_of_the_files(tree: Tree, opened: Opened, image: bytes) -> None:
    root = tree("d/a.jpg")
    archive(root / "a.tar", {"a.jpg": image})
    (first,), (second,) = ([item() for item in opened(name)] for name in ("d", "a.tar"))
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert first.pixels is not None
    assert second.pixels is not None
    assert np.array_equal(first.pixels, second.pixels)
