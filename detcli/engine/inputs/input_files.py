"""The files that sources name, so that no output replaces one of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from detcli.sources.archives.archive_place import archive_place, is_archive_name
from detcli.sources.images.argument_paths import is_range
from detcli.sources.images.brace_ranges import check_ranges, expand_ranges


def input_files(sources: Sequence[str], outputs: Sequence[Path]) -> Iterator[str]:
    """Each source, and the archives that it stands for. Raises UsageError for a range that has too many names.

    outputs  files that the run would write; a range is expanded only where one of them could be an archive
    """
    may_replace = any(is_archive_name(str(path)) for path in outputs)
    for source in sources:
        if may_replace and is_range(source):
            check_ranges(source)
            yield from input_files(tuple(expand_ranges(source)), outputs)
            continue
        place = archive_place(source)
        yield source if place is None else place.path
