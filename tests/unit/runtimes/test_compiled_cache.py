"""The cache of compiled networks: complete entries or none, and a limit of size."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from detcli.cli.framework.command import LIBRARY_VARIABLES
from detcli.errors import OutputError
from detcli.runtimes import compiled_cache
from detcli.runtimes.compiled_cache import CompiledCache, CompiledEntry, cache_of_environment, entry_name
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.structures.class_labels import ClassLabels

ENTRY = CompiledEntry(
    ExportedFacts(
        model="m",
        labels=ClassLabels.from_names(["cat", "døg"]),
        preprocessor={"do_resize": True},
        size_divisor=32,
        scores="sigmoid",
        threshold=0.4,
        size_hw=(64, 96),
        batch=1,
    ),
    None,
    ("a note",),
    ("num_queries=300",),
    (b"one", b"", b"three" * 100),
)


@pytest.mark.parametrize("entry", [ENTRY, replace(ENTRY, failure="it differs", blobs=())])
def test_entries_are_read_as_they_were_written(tmp_path: Path, entry: CompiledEntry) -> None:
    cache = CompiledCache(tmp_path / "new" / "folder")
    assert cache.read("name") is None
    cache.write("name", entry)
    assert cache.read("name") == entry
    assert [path.name for path in cache.folder.iterdir()] == ["name.compiled"]


def test_any_changed_or_missing_byte_makes_an_entry_missing(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path)
    cache.write("name", ENTRY)
    path = tmp_path / "name.compiled"
    content = path.read_bytes()
    for position in range(0, len(content), 13):
        for changed in (
            content[:position],
            content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :],
        ):
            path.write_bytes(changed)
            assert cache.read("name") is None
    path.write_bytes(content + b"x")
    assert cache.read("name") is None


def test_the_entries_not_used_for_longest_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CompiledCache(tmp_path)
    for age, name in enumerate(("new", "middle", "old")):
        cache.write(name, ENTRY)
        os.utime(tmp_path / f"{name}.compiled", (1e9 - age, 1e9 - age))
    assert cache.read("old") is not None  # it was used now
    size = (tmp_path / "new.compiled").stat().st_size
    monkeypatch.setattr(compiled_cache, "MAX_TOTAL_BYTES", 3 * size)
    (tmp_path / "other.txt").write_bytes(b"x" * size)  # of another program
    cache.write("newest", ENTRY)
    assert sorted(path.stem for path in tmp_path.glob("*.compiled")) == ["new", "newest", "old"]
    monkeypatch.setattr(compiled_cache, "MAX_TOTAL_BYTES", 1)
    cache.write("largest", ENTRY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["largest.compiled", "other.txt"]


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = CompiledCache(tmp_path / "file")
    for attempt in (cache.check_writable, lambda: cache.write("name", ENTRY)):
        with pytest.raises(OutputError):
            attempt()
    assert cache.read("name") is None


def test_a_network_is_made_only_if_it_can_be_kept(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path)
    assert cache.keep("name", lambda: ENTRY) is None
    assert cache.read("name") == ENTRY
    (tmp_path / "file").write_bytes(b"")

    def refuse() -> CompiledEntry:
        raise AssertionError("it was made")

    why = CompiledCache(tmp_path / "file").keep("name", refuse)
    assert why is not None
    assert why.startswith("the compiled network is not kept for later runs: cannot write '")
    assert compiled_cache.VARIABLE in why


def test_networks_are_listed_by_their_last_use(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path)
    for age, name in enumerate(("new", "old")):
        cache.write(name, ENTRY)
        os.utime(tmp_path / f"{name}.compiled", (1e9 - age, 1e9 - age))
    (tmp_path / "other.txt").write_bytes(b"x")
    size = (tmp_path / "new.compiled").stat().st_size
    assert [(one.name, one.size, one.used) for one in cache.stored()] == [("new", size, 1e9), ("old", size, 1e9 - 1)]
    assert CompiledCache(tmp_path / "missing").stored() == []


def test_clearing_removes_only_what_the_cache_wrote(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path)
    cache.write("one", ENTRY)
    cache.write("two", replace(ENTRY, failure="it differs", blobs=()))
    (tmp_path / "other.txt").write_bytes(b"x")
    assert {one.name for one in cache.clear()} == {"one", "two"}
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]
    assert cache.clear() == []
    assert CompiledCache(tmp_path / "missing").clear() == []


def test_files_of_killed_processes_are_removed_later(tmp_path: Path) -> None:
    for name in (".detcli-0123.part", ".probe-0123"):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (1e9, 1e9))
    (tmp_path / ".detcli-4567.part").write_bytes(b"of a process that still writes")
    CompiledCache(tmp_path).write("name", ENTRY)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".detcli-4567.part", "name.compiled"]


def test_the_variable_is_known_to_the_command_line() -> None:
    assert compiled_cache.VARIABLE in LIBRARY_VARIABLES


def test_a_check_leaves_no_file(tmp_path: Path) -> None:
    CompiledCache(tmp_path).check_writable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DETCLI_RUNTIME_CACHE": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/detcli/runtimes"),
        ({"HOME": "/h", "USERPROFILE": "/h"}, "/h/.cache/detcli/runtimes"),
        ({"HOME": "/h", "USERPROFILE": "/h", "DETCLI_RUNTIME_CACHE": "~/c"}, "/h/c"),
        ({"DETCLI_RUNTIME_CACHE": "", "XDG_CACHE_HOME": "/x"}, None),
    ],
)
def test_the_environment_names_the_folder(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str | None
) -> None:
    for name in ("DETCLI_RUNTIME_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    cache = cache_of_environment()
    assert (None if cache is None else cache.folder) == (None if folder is None else Path(folder))


CHANGES: list[Callable[[dict[str, object]], dict[str, object]]] = [
    lambda facts: facts | {"weights": "2"},
    lambda facts: facts | {"cpu": ["other"]},
    lambda facts: facts | {"image_size": (64, 64)},
]


@pytest.mark.parametrize("change", CHANGES)
def test_names_differ_where_the_network_does(change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    facts: dict[str, object] = {"weights": "1", "cpu": ["one"], "image_size": None}
    assert entry_name("m", facts) == entry_name("m", dict(reversed(facts.items())))
    assert entry_name("m", facts) != entry_name("m", change(facts))


@pytest.mark.parametrize(
    "model", ["runs/last/", "../../etc", "owner/name", "ünï code", "a" * 300, "...", "C:\\models\\m"]
)
def test_names_are_file_names(model: str) -> None:
    name = entry_name(model, {})
    assert name.isascii()
    assert len(name) < 80
    assert not set(name) & set('/\\:*?"<>| ')
    assert name[0] not in ".-"
