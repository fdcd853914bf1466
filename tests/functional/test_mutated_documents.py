"""No document of others ends as a bug: it is read, or refused with a sentence.

DETCLI_TEST_MUTATIONS=10000 tries as many mutations of each kind, a fifth of them for data with images; docs/explanation/reliability.md has the last result.
"""

import warnings
from pathlib import Path

import pytest

from tests.helpers.mutated_data_files import DATA_DOCUMENTS
from tests.helpers.mutated_documents import DOCUMENTS, Reader
from tests.helpers.mutations import Unchanged, failures, mutation_count

pytestmark = pytest.mark.functional


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_mutation_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    read: Reader = DOCUMENTS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = mutation_count() // (5 if kind in DATA_DOCUMENTS else 1)  # each of those reads images, too
        found = failures(kind, lambda rng: read(rng, tmp_path), count=count)
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_intact_documents_are_read(kind: str, tmp_path: Path) -> None:
    for seed in range(8):
        DOCUMENTS[kind](Unchanged(seed), tmp_path)
