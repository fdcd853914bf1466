"""The names people type, and what is known of each model before a byte of it is fetched."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

LabelSet = Literal["coco", "objects365", "shapes"]

SHIPPED = Path(__file__).parent  # where the models that come with detcli lie, each in a folder of its name


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One published model.

    name                   what people type
    repository             of the Hub; None: it comes with detcli
    revision               branch, tag or commit of the repository; a download writes down which commit it was
    family                 folder in detcli/models
    labels                 what it was last trained on: 80 classes of COCO, 366 rows of Objects365 (row 0 unused), or
                           the drawn shapes
    threshold              detections score above it unless the user says otherwise
    average_precision      published, in percent, on the validation set of its labels; None: not published
    parameters_millions    published, of the network with 80 classes
    gflops                 published, for one picture of 640 x 640
    license                SPDX identifier of the weights
    sha256                 of the weights, where they come with detcli
    """

    name: str
    repository: str | None
    labels: LabelSet
    average_precision: float | None
    parameters_millions: float
    gflops: float
    family: str = "dfine"
    revision: str = "main"
    threshold: float = 0.4
    license: str = "Apache-2.0"
    sha256: str | None = None

    @property
    def label_count(self) -> int:
        """Rows of the class head."""
        return {"coco": 80, "objects365": 366, "shapes": 10}[self.labels]

    @property
    def folder(self) -> Path | None:
        """Where its files lie, if they come with detcli."""
        return SHIPPED / self.name if self.repository is None else None


def _dfine() -> tuple[CatalogEntry, ...]:
    """D-FINE (Peng et al. 2024): numbers as the authors' README publishes them."""
    owner = "ustc-community"
    sizes = {  # letter -> name on the Hub, millions of parameters, GFLOPs
        "n": ("nano", 4, 7),
        "s": ("small", 10, 25),
        "m": ("medium", 19, 57),
        "l": ("large", 31, 91),
        "x": ("xlarge", 62, 202),
    }
    coco = {"n": 42.8, "s": 48.5, "m": 52.3, "l": 54.0, "x": 55.8}
    # Of L two Objects365 files were released; the 44.7 AP belong to the other one (25 epochs).
    objects365 = {"s": 31.0, "m": 38.6, "l": None, "x": 49.5}
    both = {"s": 50.7, "m": 55.1, "l": 57.3, "x": 59.3}
    plain = [
        CatalogEntry(f"dfine-{letter}", f"{owner}/dfine-{sizes[letter][0]}-coco", "coco", ap, *sizes[letter][1:])
        for letter, ap in coco.items()
    ]
    large_labels = [
        CatalogEntry(
            f"dfine-{letter}-obj365", f"{owner}/dfine-{sizes[letter][0]}-obj365", "objects365", ap, *sizes[letter][1:]
        )
        for letter, ap in objects365.items()
    ]
    pretrained = [
        CatalogEntry(
            f"dfine-{letter}-obj2coco",
            f"{owner}/dfine-{sizes[letter][0]}-obj2coco" + ("-e25" if letter == "l" else ""),
            "coco",
            ap,
            *sizes[letter][1:],
        )
        for letter, ap in both.items()
    ]
    return (*plain, *large_labels, *pretrained)


def _shapes() -> CatalogEntry:
    """The small model that comes with detcli; parameters and GFLOPs are those of its own classes and picture size."""
    return CatalogEntry(
        "shapes",
        None,
        "shapes",
        80.4,  # detcli eval -m shapes --data shapes:1:1000
        0.7,
        0.36,
        sha256="66b2f8b6ba6bce20989b30974ed11753d6b0853dd24624e2478dd62096cb15f9",
    )


CATALOG: Mapping[str, CatalogEntry] = MappingProxyType({entry.name: entry for entry in (*_dfine(), _shapes())})


def entry_of_repository(repository: str) -> CatalogEntry | None:
    """The catalogue's entry for a Hub repository, in any case of letters."""
    wanted = repository.casefold()
    return next(
        (entry for entry in CATALOG.values() if entry.repository is not None and entry.repository.casefold() == wanted),
        None,
    )


def shipped(name: str) -> CatalogEntry | None:
    """The catalogue's entry for a name, where that model comes with detcli."""
    entry = CATALOG.get(name)
    return entry if entry is not None and entry.repository is None else None


def suggest(name: str) -> tuple[str, ...]:
    """Names of the catalogue that `name` may have meant, the likeliest first; at most three."""
    tail = re.sub(r"[\s_]+", "-", name.casefold()).replace("d-fine", "dfine").rpartition("/")[2]
    spellings: dict[str, str] = {}
    for entry in CATALOG.values():
        spellings[entry.name] = entry.name
        if entry.repository is not None:
            spellings[entry.repository.rpartition("/")[2]] = entry.name
    close = difflib.get_close_matches(tail, spellings, n=6, cutoff=0.6)
    close.sort(key=lambda spelling: not spelling.startswith(tail))  # what was only not typed to its end comes first
    return tuple(dict.fromkeys(spellings[spelling] for spelling in close))[:3]


def did_you_mean(name: str) -> str:
    """The end of a sentence: "; did you mean 'dfine-s' or 'dfine-m'?", or nothing."""
    meant = " or ".join(f"'{one}'" for one in suggest(name))
    return f"; did you mean {meant}?" if meant else ""
