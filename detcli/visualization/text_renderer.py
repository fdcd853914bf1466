"""Renders text of any script as bitmaps, with the fonts of this machine.

Each character is drawn by the first font that has it; characters that combine with the one before (accents, vowel signs,
joiners) use the same font. Rendered texts are cached, because labels repeat.
"""

import threading
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, features

from detcli.errors import UsageError
from detcli.visualization.fonts import font_files

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_JOINERS = "\u200c\u200d"  # they change the shape of neighboring letters in Persian and in scripts of India
_MAX_LENGTH = 64  # characters of a text; the rest becomes an ellipsis
_MAX_CACHED = 4096  # texts
_PROBE_SIZE = 20  # pixels, for the test whether a font has a character
_NO_CHARACTER = "\uffff"  # no font has it: each draws its placeholder
_MAX_FALLBACKS = 400  # font files


@dataclass(frozen=True, slots=True)
class TextBitmap:
    """A rendered text.

    opacity   uint8 [height, width], 255 inside the letters
    baseline  rows above the baseline of the letters
    """

    opacity: npt.NDArray[np.uint8]
    baseline: int


def printable(text: str) -> str:
    """Text that can be drawn: one line, without control characters, of limited length."""
    characters = (_printable_character(character) for character in islice(text, 8 * _MAX_LENGTH))
    line = " ".join("".join(characters).split())
    return line if len(line) <= _MAX_LENGTH else line[: _MAX_LENGTH - 1] + "…"


def _printable_character(character: str) -> str:
    if character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category == "Cf":  # direction marks, soft hyphens, tags
        return ""
    return "�" if category in ("Cs", "Cn", "Co") else character


class TextRenderer:
    """Renders texts; safe in any thread.

    font  font file that is tried first; None: those of the system, then the one of Pillow
    """

    def __init__(self, font: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, int], TextBitmap] = OrderedDict()
        self._faces: list[_FontFace] = []
        self._untried = list(font_files()[:_MAX_FALLBACKS])
        self._face_of: dict[str, _FontFace] = {}
        if font is not None:
            try:
                self._faces.append(_FontFace(font))
            except OSError as error:
                raise UsageError(f"cannot use the font '{font}': {error}") from error

    def write(self, text: str, size: int) -> TextBitmap:
        """Render a text with letters about `size` pixels high."""
        with self._lock:
            key = (text, size)
            if key in self._cache:
                self._cache.move_to_end(key)
            else:
                self._cache[key] = self._render(printable(text), size)
                if len(self._cache) > _MAX_CACHED:
                    self._cache.popitem(last=False)
            return self._cache[key]

    def has(self, text: str) -> bool:
        """Whether there is a font for every character of the text."""
        with self._lock:
            return all(self._face(character).has(character) for character in text)

    def font_of(self, character: str) -> Path | None:
        """The font file for a character; None if no file has it."""
        with self._lock:
            face = self._face(character)
            return face.path if face.has(character) else None

    def _render(self, text: str, size: int) -> TextBitmap:
        runs = [(face.at(size), part) for face, part in self._runs(text)]
        widths = [font.getlength(part) for font, part in runs]
        above, below = round(size * 0.95), round(size * 0.27)
        for font, part in runs:  # tall scripts get more height, stacked accents a limited one
            _, top, _, bottom = font.getbbox(part, anchor="ls")
            above, below = max(above, min(round(-top), 2 * size)), max(below, min(round(bottom), size))
        image = Image.new("L", (max(1, round(sum(widths))), above + below))
        drawing = ImageDraw.Draw(image)
        x = 0.0
        for (font, part), width in zip(runs, widths, strict=True):
            drawing.text((x, above), part, fill=255, font=font, anchor="ls")
            x += width
        return TextBitmap(np.asarray(image), above)

    def _runs(self, text: str) -> list[tuple["_FontFace", str]]:
        """The text, split where the font changes."""
        runs: list[tuple[_FontFace, str]] = []
        for character in text:
            last = runs[-1][0] if runs else None
            combines = character in _JOINERS or unicodedata.category(character).startswith("M")
            stays = last and (combines or (not character.isalpha() and last.has(character)))
            face = last if last and stays else self._face(character)
            if face is last:
                runs[-1] = (face, runs[-1][1] + character)
            else:
                runs.append((face, character))
        return runs

    def _face(self, character: str) -> "_FontFace":
        """The first font that has the character; if none has it, the first font."""
        if character not in self._face_of:
            self._face_of[character] = self._search(character)
        return self._face_of[character]

    def _search(self, character: str) -> "_FontFace":
        for face in self._faces:
            if face.has(character):
                return face
        while self._untried:
            try:
                face = _FontFace(self._untried.pop(0))
            except OSError:  # a bitmap font, a damaged file
                continue
            self._faces.append(face)
            if face.has(character):
                return face
        if not self._faces:
            self._faces.append(_FontFace(None))
        return self._faces[0]


class _FontFace:
    """One font file in several sizes; None: the font of Pillow. Raises OSError for an invalid file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None and not path.is_file():
            raise OSError("no such file")
        self._sizes: dict[int, Font] = {}
        self._probe = self._open(_PROBE_SIZE, ImageFont.Layout.BASIC)
        self._missing = self._glyph(_NO_CHARACTER)

    def at(self, size: int) -> "Font":
        """The font with letters about `size` pixels high, with complex text layout if Pillow supports it."""
        if size not in self._sizes:
            shaped = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
            self._sizes[size] = self._open(size, shaped)
        return self._sizes[size]

    def has(self, character: str) -> bool:
        """Whether the font has a glyph for the character."""
        return character.isspace() or self._glyph(character) not in (self._missing, b"")

    def _open(self, size: int, layout: ImageFont.Layout) -> "Font":
        if self.path is None:
            return ImageFont.load_default(size)
        return ImageFont.truetype(self.path, size, layout_engine=layout)

    def _glyph(self, character: str) -> bytes:
        right, bottom = self._probe.getbbox(character)[2:]
        image = Image.new("L", (max(0, round(right)), max(0, round(bottom))))
        ImageDraw.Draw(image).text((0, 0), character, fill=255, font=self._probe)
        return image.tobytes() if image.getbbox() else b""


@lru_cache(maxsize=4)
def text_renderer(font: Path | None) -> TextRenderer:
    """The shared `TextRenderer` of a font file, with its cache."""
    return TextRenderer(font)
