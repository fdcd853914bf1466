"""Names of members stay below their archive; samples of WebDataset, ranges in braces, and archives among arguments."""

from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.io.archives.member_names import clean_name, is_hidden, last_suffix, leads_outside, sample_suffix
from detcli.io.archives.sample_rule import SampleRule
from detcli.sources.archives.archive_place import ArchivePlace, archive_place
from detcli.sources.images.brace_ranges import before_range, check_ranges, expand_ranges, has_range


@pytest.mark.parametrize(
    ("name", "clean", "outside"),
    [
        ("a/b.jpg", "a/b.jpg", False),
        ("./a//b.jpg", "a/b.jpg", False),
        ("/etc/a.jpg", "etc/a.jpg", True),
        ("../../a.jpg", "a.jpg", True),
        ("a/../../b.jpg", "a/b.jpg", True),
        ("C:\\x\\a.jpg", "C/x/a.jpg", True),
        ("c:/a.jpg", "c/a.jpg", True),
        ("\\\\server\\share\\a.jpg", "server/share/a.jpg", True),
        ("..\\..\\a.jpg", "a.jpg", True),
        ("a\\b.jpg", "a/b.jpg", False),
        ("a\0b.jpg", "a_b.jpg", False),
        ("a:b.jpg", "a:b.jpg", False),
        ("..", "", True),
        ("a..b/c...jpg", "a..b/c...jpg", False),
        ("", "", False),
    ],
)
def test_names_become_paths_below_the_archive(name: str, clean: str, outside: bool) -> None:
    assert clean_name(name) == clean
    assert clean_name(clean) == clean
    assert leads_outside(name) == outside


def test_hidden_names_and_suffixes() -> None:
    assert [is_hidden(name) for name in (".a.jpg", "a/.b/c.jpg", "__MACOSX/._a.jpg", "a.b/c.jpg")] == [1, 1, 1, 0]
    assert (last_suffix("a.b/0001.SEG.png"), sample_suffix("a.b/0001.SEG.png")) == (".png", ".seg.png")
    assert (last_suffix("a.b/c"), sample_suffix("a.b/c")) == ("", "")


def images_of(*names: str, suffixes: tuple[str, ...] = (".jpg", ".png"), tar: bool = True) -> list[str]:
    rule: SampleRule[str] = SampleRule(suffixes, lambda suffix: None, has_samples=tar)
    found: list[str] = []
    for name in names:
        found += rule.take(name, lambda wait, name=name: name)
    return found + list(rule.rest())


def test_of_a_sample_only_simple_suffixes_are_images() -> None:
    sample = ("1.depth.png", "1.jpg", "1.json", "1.seg.png", "2.json", "2.seg.png", "3.seg.png", "3.txt")
    assert images_of(*sample) == ["1.jpg"]
    assert images_of(*reversed(sample)) == ["1.jpg"]
    assert images_of(*sample, suffixes=(".seg.png",)) == ["1.seg.png", "2.seg.png", "3.seg.png"]
    assert images_of(*sample, suffixes=(".seg.png", ".jpg")) == ["1.jpg", "1.seg.png", "2.seg.png", "3.seg.png"]
    assert images_of(*sample, tar=False) == ["1.depth.png", "1.jpg", "1.seg.png", "2.seg.png", "3.seg.png"]


def test_dots_mean_nothing_where_there_is_no_sample() -> None:
    names = ["photo.v2.jpg", "2024.01.05.jpg", "2024.01.06.jpg", "a/x.1.png", "b/x.json", "d.e/c.jpg"]
    assert images_of(*names) == [name for name in names if not name.endswith("json")]
    many = [f"2024.{number}.jpg" for number in range(100)]
    assert images_of(*many) == many


def test_ranges_have_the_width_of_their_limits() -> None:
    assert list(expand_ranges("s-{008..011}.tar")) == ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar"]
    assert list(expand_ranges("{0..1}/s-{9..10}.tar")) == ["0/s-9.tar", "0/s-10.tar", "1/s-9.tar", "1/s-10.tar"]
    assert list(expand_ranges("{5..5}")) == ["5"]
    assert before_range("d/s-{0..1}-{2..3}") == "d/s-"
    assert not any(map(has_range, ("a.jpg", "{a..b}", "{1,2}", "{1..}", "{..2}", "{-1..2}", "{1...3}")))


def test_ranges_that_are_empty_or_gigantic_are_usage_errors() -> None:
    check_ranges("{0..999999}.tar")
    for text, message in (
        ("{0..1000000}.tar", "stands for 1,000,001 names"),
        ("{0..999}{0..999}{0..999}.tar", "stands for 1,000,000,000 names"),
        ("{0..999999999999999999}.tar", "1,000,000 are the limit"),
        ("{7..3}.tar", "is empty: its first number"),
    ):
        with pytest.raises(UsageError, match=message):
            check_ranges(text)


def test_archives_are_known_by_suffix_or_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "odd!").mkdir()
    for name in ("data", "x.TAR.gz", "odd!/a.jpg"):
        (tmp_path / name).touch()
    assert archive_place("x.TAR.gz") == archive_place("x.TAR.gz!") == ArchivePlace("x.TAR.gz")
    assert archive_place("data!") == ArchivePlace("data")
    assert archive_place("data!/a/") == ArchivePlace("data", "a")
    assert archive_place("x.TAR.gz!/a/b!/c.jpg") == ArchivePlace("x.TAR.gz", "a/b!/c.jpg", is_member=True)
    assert archive_place("missing.zip") == ArchivePlace("missing.zip")
    assert archive_place("missing.zip!/../a.jpg") == ArchivePlace("missing.zip", "a.jpg", is_member=True)
    for name in ("data", "folder.tar", "odd!/a.jpg", "missing!", "*.tar", "a.jpg"):
        assert archive_place(name) is None, name
