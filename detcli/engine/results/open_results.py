"""Stored results, checked completely, with classes and provenance: what every function on results starts from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.engine.results.class_table import ClassTable
from detcli.engine.results.image_facts import ImageFacts
from detcli.engine.results.merge_runs import check_parts, merged_images, merged_info
from detcli.engine.results.results_request import StoredInput
from detcli.engine.results.stored_detections import to_result
from detcli.engine.results.stored_names import StoredNames, common_base
from detcli.engine.results.stored_run import StoredRun, check_consistent
from detcli.errors import InputError, UsageError
from detcli.io.remote.store_path import as_path
from detcli.structures.class_labels import ClassLabels
from detcli.structures.json_records import Result


@dataclass(frozen=True, slots=True)
class OpenResults:
    """Results of one run, or of several as those of one.

    remarks  about what could not be checked
    """

    runs: Sequence[StoredRun]
    classes: ClassTable
    labels: ClassLabels
    info: Mapping[str, Any]
    renumber: bool
    remarks: Sequence[str] = ()

    def __iter__(self) -> Iterator[Result]:
        """The results in the order of their indices."""
        with_paths = [run for run in self.runs if run.record.has_paths]
        names = StoredNames(common_base([run.common.path for run in with_paths]) if with_paths else "")
        for (index, image), run in merged_images(self.runs, renumber=self.renumber):
            origin = names.origin(index, image, has_paths=run.record.has_paths)
            yield to_result(image, origin, self.classes, self.labels)

    @property
    def complete(self) -> bool:
        """Whether no run was interrupted."""
        return all(run.metadata.complete for run in self.runs)

    @property
    def tracks(self) -> bool:
        """Whether detections have track ids."""
        return any(run.contents.tracks for run in self.runs)

    @property
    def uncertainty(self) -> bool:
        """Whether detections have standard deviations."""
        return any(run.contents.uncertainty for run in self.runs)

    def has(self, name: str) -> bool:
        """Whether they hold what a name in `formats.CONTENTS` means."""
        return any(run.has(name) for run in self.runs)

    @property
    def count(self) -> int:
        """The number of images."""
        return sum(len(run.indices) for run in self.runs)

    @property
    def image_ids(self) -> Mapping[str, int] | None:
        """COCO image ids by name, of results that have others than the positions of their images; else None."""
        if any(run.has_indices or not run.has_ids for run in self.runs) or len(self.runs) > 1:
            return None
        names = StoredNames("")
        run = self.runs[0]
        listed = ((names.origin(index, image, has_paths=run.record.has_paths), image) for index, image in run.images())
        return {origin.relative: image.image_id for origin, image in listed if image.image_id is not None}


def open_results(given: StoredInput, *, renumber: bool = False) -> OpenResults:
    """Read all results once and check them.

    Raises DetcliError for results that cannot be read, are invalid, or do not belong together.
    """
    facts = ImageFacts(given.images, given.ground_truth)
    _refuse_repeated(given.results)
    classes = ClassTable()
    runs = [StoredRun(as_path(name), given.results_format, facts) for name in given.results]
    for run in runs:
        run.scan(classes)
    if not any(run.names for run in runs):
        raise InputError(f"'{runs[0].path}' holds no results: it has no images")
    remarks = check_parts(runs, renumber=renumber) if len(runs) > 1 else []
    check_consistent(runs)
    return OpenResults(runs, classes, classes.finish(), merged_info(runs), renumber, remarks)


def _refuse_repeated(names: Sequence[str]) -> None:
    seen: set[Path] = set()
    for name in names:
        path = as_path(name).absolute()
        if path in seen:
            raise UsageError(f"'{name}' is named twice in `results`")
        seen.add(path)
