"""Names of outputs: mirrored, deterministic, never two the same, never outside."""

import os
import random
import subprocess
import sys
import tracemalloc

import pytest

from detcli.io.naming import UniqueNames, nearest_common_folder, relative_below, relative_of_url, safe_relative

posix = pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")


def taken(*relatives: str, fold_case: bool = False) -> list[tuple[str, str]]:
    names = UniqueNames(fold_case=fold_case)
    return [names.take(relative) for relative in relatives]


def test_names_of_a_folder_tree_stay_the_same() -> None:
    assert taken("a.jpg", "b/a.jpg", "b/c.d/e.tar.png") == [
        ("a.jpg", "a"),
        ("b/a.jpg", "b/a"),
        ("b/c.d/e.tar.png", "b/c.d/e.tar"),
    ]


def test_a_used_stem_keeps_its_suffix() -> None:
    assert taken("a.jpg", "a.png", "a.png.gif") == [("a.jpg", "a"), ("a.png", "a.png"), ("a.png.gif", "a.png.gif")]


def test_a_used_name_gets_a_number() -> None:
    assert taken("d/a.jpg", "d/a.jpg", "d/a.jpg", "d/a-2.jpg") == [
        ("d/a.jpg", "d/a"),
        ("d/a-2.jpg", "d/a-2"),
        ("d/a-3.jpg", "d/a-3"),
        ("d/a-2-2.jpg", "d/a-2-2"),
    ]


def test_names_without_suffix_or_stem_work() -> None:
    assert taken("a", "a", ".hidden", "x.") == [("a", "a"), ("a-2", "a-2"), (".hidden", ".hidden"), ("x.", "x")]


def test_an_image_and_a_folder_never_share_a_name() -> None:
    assert taken("x.jpg", "x.jpg/y.jpg", "x.jpg/z.jpg") == [
        ("x.jpg", "x"),
        ("x.jpg-2/y.jpg", "x.jpg-2/y"),
        ("x.jpg-2/z.jpg", "x.jpg-2/z"),
    ]
    assert taken("x.jpg/y.jpg", "x.jpg")[1][0] == "x-2.jpg"


def test_case_distinguishes_names_only_if_file_systems_do() -> None:
    assert [relative for relative, _ in taken("A.jpg", "a.jpg")] == ["A.jpg", "a.jpg"]
    assert [relative for relative, _ in taken("A.jpg", "a.jpg", fold_case=True)] == ["A.jpg", "a-2.jpg"]
    assert [relative for relative, _ in taken("\u00e9.jpg", "e\u0301.jpg", fold_case=True)] == [
        "\u00e9.jpg",
        "e\u0301-2.jpg",
    ]


def test_names_that_are_not_utf8_are_kept() -> None:
    assert taken("\udcff.jpg", "\udcff.jpg") == [("\udcff.jpg", "\udcff"), ("\udcff-2.jpg", "\udcff-2")]


@pytest.mark.parametrize("fold_case", [False, True])
def test_all_names_are_unique_and_depend_on_the_order(fold_case: bool) -> None:
    random_numbers = random.Random(0)
    parts = ["a", "A", "a.jpg", "a-2.jpg", "a-2", "b.png", "a.png", "a.jpg.png", "é", "e\u0301"]
    asked = ["/".join(random_numbers.choices(parts, k=random_numbers.randint(1, 3))) for _ in range(4000)]
    given = taken(*asked, fold_case=fold_case)
    assert given == taken(*asked, fold_case=fold_case)
    fold = str.casefold if fold_case else str
    relatives = [fold(relative) for relative, _ in given]
    assert len(set(relatives)) == len(given)
    assert len({fold(stem) for _, stem in given}) == len(given)
    folders = {relative[:place] for relative in relatives for place, mark in enumerate(relative) if mark == "/"}
    assert not folders & set(relatives)


def test_ten_thousand_equal_names_are_not_slower() -> None:
    names = UniqueNames(fold_case=False)
    given = [names.take("image.jpg")[0] for _ in range(10_000)]
    assert given[-1] == "image-10000.jpg"


def test_names_are_the_same_in_every_process() -> None:
    program = "from detcli.io.naming import UniqueNames; n = UniqueNames(); print([n.take(f'{i % 7}.jpg') for i in range(30)])"
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_names_need_little_memory_however_long_they_are() -> None:
    tracemalloc.start()
    try:
        names = UniqueNames()
        for number in range(20_000):
            names.take(f"a/long/folder/name/that/takes/some/room/{number // 1000}/image number {number}.jpg")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@posix
@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("./a//b.jpg", "a/b.jpg"),
        ("/etc/passwd.jpg", "etc/passwd.jpg"),
        ("../../up/a.jpg", "up/a.jpg"),
        ("a/../../b.jpg", "a/b.jpg"),
        ("/", "image"),
        ("..", "image"),
        ("", "image"),
        ("con.jpg", "con.jpg"),
        ("a:b?.jpg", "a:b?.jpg"),
        ("..hidden/...jpg", "..hidden/...jpg"),
    ],
)
def test_a_path_never_leads_out_of_the_folder(path: str, relative: str) -> None:
    assert safe_relative(path) == relative


@posix
def test_a_path_below_the_base_is_relative_to_it() -> None:
    assert relative_below("/data/set/a.jpg", "/data") == "set/a.jpg"
    assert relative_below("/data/a.jpg", "/") == "data/a.jpg"
    assert relative_below("/database/a.jpg", "/data") == "database/a.jpg"
    assert relative_below("/a.jpg", "") == "a.jpg"


@posix
def test_the_nearest_common_folder_is_the_deepest_one() -> None:
    assert nearest_common_folder(["/data/a", "/data/b/c"]) == "/data"
    assert nearest_common_folder(["/data/a", "/data/a"]) == "/data/a"
    assert nearest_common_folder(["/data/ab", "/data/a"]) == "/data"
    assert nearest_common_folder(["/a", "/b"]) == "/"
    assert nearest_common_folder([]) == ""


@pytest.mark.parametrize(
    ("url", "relative"),
    [
        ("https://example.org/a/b.jpg", "example.org/a/b.jpg"),
        ("https://user:pass@example.org:8080/a.jpg?token=secret#x", "example.org/a.jpg"),
        ("http://example.org/../../etc/passwd", "example.org/etc/passwd"),
        ("http://example.org/%2e%2e/%2e%2e/x.jpg", "example.org/x.jpg"),
        ("http://example.org/a%2Fb%5Cc.jpg", "example.org/a_b_c.jpg"),
        ("http://example.org", "example.org/image"),
        ("http://example.org/folder/", "example.org/folder/image"),
        ("http://example.org/con/nul.jpg/aux", "example.org/_con/_nul.jpg/_aux"),
        ("http://example.org/a%00%1b%0ab.jpg", "example.org/a___b.jpg"),
        ("http://example.org/dot./space%20/x.jpg", "example.org/dot/space/x.jpg"),
        ("http://[::1]:80/a.jpg", "__1/a.jpg"),
        ("http://[broken/a.jpg", "image"),
        ("http://example.org/%ff.jpg", "example.org/\ufffd.jpg"),
    ],
)
def test_a_url_becomes_a_name_that_is_valid_everywhere(url: str, relative: str) -> None:
    assert relative_of_url(url) == relative


def test_a_long_part_of_a_url_is_cut_and_stays_unique() -> None:
    first, second = (relative_of_url(f"http://h/{'ä' * 300}{mark}.jpg") for mark in "ab")
    assert first != second
    for relative in (first, second):
        assert len(relative.split("/")[1].encode()) <= 180
        assert relative.endswith(".jpg")
