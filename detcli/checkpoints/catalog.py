"""The catalog: published models by name, and what is known of them before a download."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from detcli.checkpoints.catalog_entry import BUNDLED_MODELS, CatalogEntry
from detcli.checkpoints.published_models import catalog_entries
from detcli.text import did_you_mean, similar

__all__ = [
    "BUNDLED_MODELS",
    "CATALOG",
    "CatalogEntry",
    "bundled_entry",
    "entry_of_repository",
    "find",
    "suggest",
    "suggestion",
]

CATALOG: Mapping[str, CatalogEntry] = MappingProxyType({entry.name: entry for entry in catalog_entries()})


def find(model: str) -> CatalogEntry | None:
    """Return the catalog's entry for a name or for a Hub repository; None if there is none."""
    return CATALOG.get(model) or entry_of_repository(model)


def entry_of_repository(repository: str) -> CatalogEntry | None:
    """Return the catalog's entry for a Hub repository; case-insensitive."""
    name = repository.casefold()
    return next(
        (entry for entry in CATALOG.values() if entry.repository is not None and entry.repository.casefold() == name),
        None,
    )


def bundled_entry(name: str) -> CatalogEntry | None:
    """Return the catalog's entry for the name of a bundled model; None for other names."""
    entry = CATALOG.get(name)
    return entry if entry is not None and entry.is_bundled else None


def suggest(name: str) -> tuple[str, ...]:
    """Return at most three similar names of the catalog, the most similar first."""
    tail = re.sub(r"[\s_]+", "-", name.casefold()).replace("d-fine", "dfine").rpartition("/")[2]
    spellings: dict[str, str] = {}
    for entry in CATALOG.values():
        spellings[entry.name] = entry.name
        if entry.repository is not None:
            spellings[entry.repository.rpartition("/")[2]] = entry.name
    close = similar(tail, spellings, most=6)
    close.sort(key=lambda spelling: not spelling.startswith(tail))  # names that start with it come first
    return tuple(dict.fromkeys(spellings[spelling] for spelling in close))[:3]


def suggestion(name: str) -> str:
    """Return the end of a sentence: "; did you mean 'dfine-s' or 'dfine-m'?", or nothing."""
    question = did_you_mean(suggest(name))
    return f"; {question}" if question else ""
