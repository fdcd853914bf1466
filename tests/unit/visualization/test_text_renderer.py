import threading
import unicodedata
from pathlib import Path

import pytest
from PIL import features

from detcli.errors import UsageError
from detcli.visualization.fonts import font_files
from detcli.visualization.text_renderer import TextRenderer, printable

ODD = (
    "人", "自転車 bicycle", "سيارة حمراء", "कार", "한국어", "😀", "ไทย", "שלום", "", " ", "\u0301\u0301", "\udcff", "\ud800",
    "\x00\x1b", "Z" + "\u0351" * 50, "\ufffe\U0010ffff", "x" * 10_000, "\u202e", "\u200d",
)  # fmt: skip


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("size", [8, 21, 120])
def test_any_text_is_drawn_in_bounds(text: str, size: int) -> None:
    writing = TextRenderer().write(text, size)
    height, width = writing.opacity.shape
    assert 0 < writing.baseline < height <= 3 * size + 2
    assert 0 < width <= 70 * 3 * size


def test_control_characters_are_not_drawn() -> None:
    assert printable("a\u202egnp.exe") == "agnp.exe"
    assert printable("two\nlines\t\x1b[31m") == "two lines [31m"
    assert printable("\u2066a\u2069\u200e") == "a"
    assert printable("half \ud800") == "half �"
    assert printable("क्\u200dष") == "क्\u200dष"  # the joiner shapes the letters
    for code in range(0x110000):
        assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in printable(chr(code)))


def test_a_text_that_is_too_long_ends_in_an_ellipsis() -> None:
    assert len(printable("x" * 10_000)) == 64
    assert printable("x" * 10_000).endswith("…")


def test_a_text_is_rendered_once() -> None:
    letters = TextRenderer()
    assert letters.write("dog", 20) is letters.write("dog", 20)
    assert letters.write("dog", 20) is not letters.write("dog", 21)


def test_without_any_font_that_of_pillow_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.visualization.text_renderer.font_files", lambda: ())
    assert TextRenderer().write("dog 汽车", 20).opacity.any()


def test_a_damaged_font_of_the_system_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.ttf").write_bytes(b"no font")
    monkeypatch.setattr(
        "detcli.visualization.text_renderer.font_files", lambda: (tmp_path / "bad.ttf", tmp_path / "gone.ttf")
    )
    assert TextRenderer().write("dog", 20).opacity.any()


@pytest.mark.parametrize("content", [None, b"no font"])
def test_an_invalid_font_file_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.ttf").write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot use the font '.*x\.ttf'"):
        TextRenderer(tmp_path / "x.ttf")


@pytest.mark.skipif(not font_files(), reason="no fonts on this machine")
def test_a_requested_font_comes_first() -> None:
    chosen = font_files()[-1]
    try:
        letters = TextRenderer(chosen)
    except UsageError:
        pytest.skip("a bitmap font")
    assert letters.write("dog", 20).opacity.any()


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow without shaping")
def test_arabic_is_written_from_right_to_left_and_joined() -> None:
    letters = TextRenderer()
    apart = sum(letters.write(character, 40).opacity.shape[1] for character in "سيارة")
    assert letters.write("سيارة", 40).opacity.shape[1] != apart


def test_threads_share_one_renderer() -> None:
    letters = TextRenderer()
    texts = [f"{word} {number}" for word in ("dog", "人", "كلب") for number in range(20)]
    alone = [TextRenderer().write(text, 18).opacity.tobytes() for text in texts[:5]]
    got: list[list[bytes]] = []
    threads = [
        threading.Thread(target=lambda: got.append([letters.write(text, 18).opacity.tobytes() for text in texts]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert all(one == got[0] for one in got)
    assert got[0][:5] == alone


def test_the_font_file_of_a_character_has_it() -> None:
    renderer = TextRenderer()
    assert renderer.font_of("\uffff") is None
    path = renderer.font_of("a")
    assert path is None or TextRenderer(path).font_of("a") == path
