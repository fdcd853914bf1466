"""Which members are images by their names; in the samples of WebDataset, the suffix begins at the first dot.

A sample is files next to each other in a tar with the same name up to the first dot: `0001.jpg`, `0001.json` and
`0001.seg.png`. It is known by a file with a simple suffix. Without one, as in `photo.v2.jpg`, names have no such meaning.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from detcli.io.archives.member_names import last_suffix, sample_suffix

_Kept = TypeVar("_Kept")
_MAX_UNDECIDED: Final = 16  # a sample has a simple suffix among its first members


@dataclass(slots=True)
class SampleRule(Generic[_Kept]):
    """Decides in the order of the archive; what is kept waits until it is decided.

    suffixes     of images, lower case with the dot
    rejected     called with the suffix of each member that is no image
    has_samples  False for archives that are no tars
    """

    suffixes: tuple[str, ...]
    rejected: Callable[[str], None]
    has_samples: bool = True
    _sample: str | None = None
    _is_sample: bool = False
    _kept: list[tuple[_Kept, str]] = field(
        default_factory=list
    )  # each with its suffix in a sample; "" if it is certain

    def take(self, path: str, keep: "Callable[..., _Kept]") -> Iterator[_Kept]:
        """The images that are decided by this member, which are itself or members before it.

        keep  called at once for a member that may be an image; `wait=False` while others wait to be decided
        """
        whole = sample_suffix(path)
        sample = path[: len(path) - len(whole)] if self.has_samples else path
        if sample != self._sample:
            yield from self.rest()
            self._sample, self._is_sample = sample, False
        if whole and whole == last_suffix(path) and self.has_samples and not self._is_sample:
            self._become_sample()
        if whole in self.suffixes or (path.lower().endswith(self.suffixes) and not self._is_sample):
            is_certain = whole in self.suffixes or not self.has_samples
            wait = is_certain and not self._kept
            self._kept.append((keep(wait=wait), "" if is_certain else whole))
            if len(self._kept) > _MAX_UNDECIDED or not any(suffix for _, suffix in self._kept):
                yield from self.rest()
        else:
            self.rejected(whole if self._is_sample else last_suffix(path))

    def rest(self) -> Iterator[_Kept]:
        """The members that wait are images: no sample was seen."""
        kept, self._kept = self._kept, []
        for item, _ in kept:
            yield item

    def _become_sample(self) -> None:
        self._is_sample = True
        for _, suffix in self._kept:
            if suffix:
                self.rejected(suffix)
        self._kept = [(item, suffix) for item, suffix in self._kept if not suffix]
