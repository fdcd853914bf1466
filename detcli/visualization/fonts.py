"""The font files of this machine, the most suitable ones for labels first."""

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

# Stems of font files in the order of preference: first fonts for Latin, Greek and Cyrillic, then those for other
# scripts, on Linux, macOS and Windows.
_PREFERRED = (
    *("dejavusans", "notosans-regular", "notosans", "liberationsans-regular", "segoeui", "sfns", "helveticaneue"),
    *("helvetica", "arial", "roboto-regular", "ubuntu-r", "opensans-regular", "freesans", "arial unicode"),
    *("notosanscjk-regular", "notosanscjksc-regular", "notosanssc-regular", "sourcehansans", "pingfang"),
    *(
        "hiragino sans gb",
        "stheiti medium",
        "ヒラギノ角ゴシック w3",
        "applesdgothicneo",
        "msyh",
        "yugothr",
        "meiryo",
        "malgun",
    ),
    *("wqy-microhei", "wqy-zenhei", "droidsansfallbackfull", "droidsansfallback", "simsun"),
    *("notosansarabic-regular", "notonaskharabic-regular", "geezapro", "tahoma"),
    *("notosansdevanagari-regular", "kohinoor", "nirmala", "mangal", "lohit-devanagari"),
    *("notosanshebrew-regular", "notosansthai-regular", "leelawui", "thonburi", "notosansbengali-regular"),
    *("notosanstamil-regular", "notosanstelugu-regular", "notosansgujarati-regular", "notosansgurmukhi-regular"),
    *("notoemoji-regular", "notosanssymbols2-regular", "symbola", "seguisym", "apple symbols", "unifont"),
)
_RANK = {stem: rank for rank, stem in reversed(list(enumerate(_PREFERRED)))}
_STYLED = ("bold", "italic", "oblique", "black", "thin", "light", "condensed", "mono", "serif")
_PLACEHOLDER_FONTS = ("lastresort", "adobeblank")  # they contain every character, drawn as a placeholder
_MAX_FILES = 2000  # font files


@lru_cache(maxsize=1)
def font_files() -> tuple[Path, ...]:
    """The TrueType and OpenType files in the font folders of the system and the user."""
    by_name: dict[str, Path] = {}
    for path in islice(chain.from_iterable(map(_walk, _folders())), _MAX_FILES):
        by_name.setdefault(path.name.casefold(), path)
    return tuple(sorted(by_name.values(), key=_order))


def _folders() -> Iterator[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises without a home folder
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"
        yield Path(os.environ.get("LOCALAPPDATA", home / "AppData/Local")) / "Microsoft/Windows/Fonts"
    elif sys.platform == "darwin":
        yield from (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    else:
        data = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
        system = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        yield from (Path(folder) / "fonts" for folder in (data, *system.split(":")) if folder)
        yield from (home / ".fonts", Path("/system/fonts"), Path("/run/current-system/sw/share/X11/fonts"))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            stem = path.stem.casefold()
            if path.suffix.casefold() in (".ttf", ".otf", ".ttc") and not stem.startswith(_PLACEHOLDER_FONTS):
                yield path


def _order(path: Path) -> tuple[int, int, str]:
    stem = path.stem.casefold()
    return _RANK.get(stem, len(_RANK)), sum(word in stem for word in _STYLED), stem
