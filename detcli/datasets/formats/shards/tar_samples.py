"""The samples in tar archives of WebDataset: images that are read in place, each with its JSON record or its rows of YOLO."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from detcli.errors import DataError, ImageError
from detcli.io.archives.archive_bytes import FileBytes
from detcli.io.archives.decompressed_stream import is_compressed
from detcli.io.archives.member import Member, ReadMember
from detcli.io.archives.member_names import clean_name, is_hidden, last_suffix, name_in_archive, sample_suffix
from detcli.io.archives.sample_rule import SampleRule
from detcli.io.archives.tar_headers import BLOCK
from detcli.io.archives.tar_members import TarMembers
from detcli.io.images.formats import IMAGE_SUFFIXES
from detcli.io.read import opened

RECORD, ROWS = ".json", ".txt"
CLASS_FILES: Final = ("classes.txt", "data.yaml", "data.yml")
_MAX_BYTES: Final = 64 << 20  # of annotations of one image
_SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)


@dataclass(frozen=True, slots=True)
class TarSample:
    """An image of a shard.

    name         of the image, relative to its shard
    path         of the image, with that of its shard
    read         returns its content
    annotations  content of its file of annotations; None if there is none
    suffix       RECORD or ROWS, the suffix of that file; empty if there is none
    """

    name: str
    path: str
    read: ReadMember
    annotations: bytes | None = None
    suffix: str = ""

    @property
    def source(self) -> str:
        """Name of its file of annotations, for messages."""
        return self.path[: -len(last_suffix(self.path))] + self.suffix


@dataclass(slots=True)
class _Content:
    """What a shard has: images, and annotations by their name without suffix."""

    images: list[tuple[str, Member]] = field(default_factory=list)
    annotations: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    classes: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class TarSamples:
    """The samples of shards, one shard after the other; `classes` has the contents of files of class names so far."""

    shards: Sequence[Path]
    classes: dict[str, bytes] = field(default_factory=dict)

    def __iter__(self) -> Iterator[TarSample]:
        """All images. Raises DataError for a shard that is damaged, compressed, or no tar."""
        for shard in self.shards:
            try:
                content = _read(shard)
            except ImageError as error:
                raise DataError(f"the archive '{shard}' cannot be used: {error}") from error
            self.classes |= content.classes
            before = f"{shard.stem}/" if len(self.shards) > 1 else ""
            for path, member in content.images:
                suffix, annotations = _annotations_of(path, content)
                yield TarSample(before + path, name_in_archive(str(shard), path), _reader(member), annotations, suffix)


def _reader(member: Member) -> ReadMember:
    """What reads a member, or fails as a link does."""
    error = member.error
    if error is None:
        return member.read

    def fail(**_: object) -> bytes:
        raise error

    return fail


def _read(shard: Path) -> _Content:
    content = _Content()
    rule: SampleRule[tuple[str, Member]] = SampleRule(_SUFFIXES, lambda _: None)
    with opened(shard) as descriptor:
        data = FileBytes(descriptor)
        if not data.size:
            raise ImageError("empty", "an empty file")
        if is_compressed(data.read_at(0, BLOCK)):
            raise ImageError(
                "unsupported", "it is compressed, and training reads images in any order: decompress it to .tar"
            )
        for entry in TarMembers(data, str(shard)):
            if isinstance(entry, ImageError):
                raise entry
            path = clean_name(entry.name)
            if path and not is_hidden(path):
                content.images += rule.take(path, lambda *, wait, kept=(path, entry): kept)
                _keep_text(content, path, entry)
        content.images += rule.rest()
    return content


def _keep_text(content: _Content, path: str, member: Member) -> None:
    suffix, name = last_suffix(path), path.rpartition("/")[2]
    if suffix not in (RECORD, ROWS) and name not in CLASS_FILES:
        return
    if member.error is not None:  # a link
        return
    text = b"" if member.size == 0 else member.read(max_bytes=_MAX_BYTES)
    if name in CLASS_FILES:
        content.classes[name] = text
    else:
        content.annotations[path[: -len(suffix)]] = (suffix, text)


def _annotations_of(path: str, content: _Content) -> tuple[str, bytes | None]:
    """Suffix and content of the annotations of an image: of its sample, or of its own name."""
    for suffix in (sample_suffix(path), last_suffix(path)):
        found = content.annotations.get(path[: len(path) - len(suffix)])
        if found is not None:
            return found
    return "", None
