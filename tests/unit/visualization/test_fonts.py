import sys
from pathlib import Path

import pytest

from detcli.visualization import fonts
from detcli.visualization.fonts import font_files

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="folders of the freedesktop standard")


def test_fonts_for_labels_come_first_and_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fonts" / "deep"
    folder.mkdir(parents=True)
    for name in ("Zzz.ttf", "Aaa-BoldItalic.ttf", "DejaVuSans.ttf", "LastResort.otf", "wqy-zenhei.ttc", "notes.txt"):
        (folder / name).write_bytes(b"")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    font_files.cache_clear()
    mine = [path.name for path in font_files() if path.is_relative_to(tmp_path)]
    font_files.cache_clear()
    assert mine == ["DejaVuSans.ttf", "wqy-zenhei.ttc", "Zzz.ttf", "Aaa-BoldItalic.ttf"]


def test_the_number_of_font_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        folder = tmp_path / f"{number % 3}" / "fonts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.ttf").write_bytes(b"")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "0"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / '1'}:{tmp_path / '2'}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(fonts, "_MAX_FILES", 4)
    font_files.cache_clear()
    count = len(font_files())
    font_files.cache_clear()
    assert count == 4


def test_a_user_without_a_home_has_the_fonts_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "a.ttf").write_bytes(b"")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_123_456_789)
    font_files.cache_clear()
    found = font_files()
    font_files.cache_clear()
    assert tmp_path / "fonts" / "a.ttf" in found
