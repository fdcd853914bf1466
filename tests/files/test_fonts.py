import sys
from pathlib import Path

import pytest

from detcli.files.fonts import font_files

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
