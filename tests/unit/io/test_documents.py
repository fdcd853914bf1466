"""JSON, TOML and YAML of others: every failure is one sentence, and nothing costs more than its size."""

import ast
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from detcli.io.documents import DocumentError, is_nested_at_most, parse_json, parse_toml
from detcli.io.documents.parse_xml import parse_xml, xml_elements
from detcli.io.documents.parse_yaml import parse_yaml

PACKAGE = Path(__file__).parents[3] / "detcli"
# What they parse, detcli wrote itself or put into a test of an installation; model files have stricter rules.
# They read what detcli wrote itself: its checkpoints have a stricter reader, the others are its own files and processes.
OTHER_PARSERS = {
    "checkpoints/json_files.py",
    "io/journal.py",
    "cli/setup/demo.py",
    "cli/setup/library_checks.py",
    "engine/benchmark/case_process.py",
    "engine/benchmark/run_job.py",
    "pipeline/devices/worker_process.py",
}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"{", "Expecting property name"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "a number has thousands of digits"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_cannot_be_parsed_is_told(data: bytes, sentence: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_json(data)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a", "Expected '='"),
        (b"\xff = 1", "byte 0 is not UTF-8"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "a number has thousands of digits"),
        (b"a = 0x" + b"f" * 5000, "TOML has 64"),
        (b"[a]\nb = [1, {c = 9223372036854775808}]", "an integer of 64 bits; TOML has 64"),
        (b"a = 2026-13-41", "line 1"),
    ],
)
def test_toml_that_cannot_be_parsed_is_told(data: bytes, sentence: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_toml(data)
    assert sentence in str(caught.value)


def test_toml_may_have_a_byte_order_mark() -> None:
    assert parse_toml(b"\xef\xbb\xbfa = 1") == {"a": 1}


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", None),
        (b"a: [yes, Off, 'no', ~, null, '']", {"a": [True, False, "no", None, None, ""]}),
        (b"[1, -2, +3, 0x1f, 017, 1_000, 0b11]", [1, -2, 3, 31, 15, 1000, 3]),
        (b"[1.5, -1e+3, .inf, 1.0e-2]", [1.5, "-1e+3", float("inf"), 0.01]),
        (b"0: cat\n1: dog\n", {0: "cat", 1: "dog"}),
        (b"[2026-11-29, 1:30, 190:20:30, '=']", ["2026-11-29", "1:30", "190:20:30", "="]),
        (b"a: &x {q: 1}\nb: {<<: *x, q: 2, z: 3}\n", {"a": {"q": 1}, "b": {"q": 2, "z": 3}}),
        (b"- |\n  two\n  lines\n- !!str 3\n- !!int '4'\n", ["two\nlines\n", "3", 4]),
        (b"\xff\xfea\0:\0 \x001\0", {"a": 1}),
    ],
)
def test_yaml_has_the_values_that_it_says(data: bytes, value: Any) -> None:
    assert parse_yaml(data) == value


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"!!int ''", "'' is not an integer (line 1)"),
        (b"\n- !!bool x", "'x' is not true or false (line 2)"),
        (b"!!float x", "'x' is not a number"),
        (b"!!null x", "'x' is not null"),
        (b"!!timestamp x", "the type 'tag:yaml.org,2002:timestamp' is not supported"),
        (b"!!python/object/apply:os.system ['true']", "python/object/apply:os.system' is not supported"),
        (b"!!set {a}", "is not supported"),
        (b"9" * 5000, "a number has 5,000 digits"),
        (b"0x" + b"f" * 5000, "a number has 5,000 digits"),
        (b"[" * 100_000, "nest"),  # words of the parser in C, or of ours
        (b"[" * 100 + b"]" * 100, "nested more than 64 levels deep"),
        (b"{a: [", "line"),
        (b"*x", "the alias 'x' has no anchor before it (line 1)"),
        (b"&a [*a]", "the alias 'a' has no anchor"),
        (b"? [a]\n: b", "a key is a list"),
        (b"{a: b}: c", "a key is a mapping"),
        (b"a\0b", "control characters"),
        (b"\xc3", "UTF-8"),
        (b"a: 1\n---\nb: 2\n", "2 documents"),
        (b"names: [a]\ntrain: x\nnames: [b]", "it has the key 'names' twice in one mapping (line 3)"),
        (b"{0: a, 1: b, 0: c}", "it has the key '0' twice"),
        (b"a: {b: 1, 'b': 2}", "it has the key 'b' twice"),
        (b"<<: 1", "'<<' names something that is not a mapping"),
    ],
)
def test_yaml_that_cannot_be_parsed_is_told(data: bytes, sentence: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml(data)
    assert sentence in str(caught.value)


def test_aliases_of_aliases_take_no_memory() -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], y{n}: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 40)]  # fmt: skip
    tracemalloc.start()
    try:
        parse_yaml("\n".join(lines).encode())
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "kind",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a PUBLIC "-//x//y" "http://localhost:1/a.dtd">',
        "<!-- first -->" + " " * 200_000 + "<!DOCTYPE a>",
    ],
)
def test_xml_with_a_document_type_is_refused(encoding: str, kind: str) -> None:
    with pytest.raises(DocumentError, match="has a document type"):
        parse_xml(f"{kind}<a>&c;</a>".encode(encoding))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no element found"),
        (b"<a>", "no element found"),
        (b"<a></b>", "mismatched tag"),
        (b"<a/><b/>", "junk after document element"),
        (b"<a>\xff</a>", "invalid token"),
        (b"<a>&nbsp;</a>", "undefined entity"),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", "unknown encoding"),
        (b"<a>" * 65 + b"</a>" * 65, "nested too deeply"),
        (b"<a>" * 1_000_000, "nested too deeply"),
    ],
)
def test_xml_that_cannot_be_parsed_is_told(data: bytes, sentence: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_xml(data)
    assert sentence in str(caught.value)


def test_xml_elements_come_one_by_one_in_flat_memory() -> None:
    one = b"<image>" + b"<box/>" * 50 + b"</image>"
    tracemalloc.start()
    try:
        found = xml_elements(iter([b"<all>", *[one] * 1_000, b"</all>"]), drop=True)
        counts = [len(element) for element in found if element.tag == "image"]
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()
    assert counts == [50] * 1_000


def test_nesting_is_counted_in_levels() -> None:
    assert is_nested_at_most(3, 0)
    assert is_nested_at_most({"a": [1]}, 2)
    assert not is_nested_at_most({"a": [1]}, 1)


def test_no_other_module_parses_documents_of_others() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                call = f"{node.value.id}.{node.attr}"
                if call.startswith(
                    (
                        "json.load",
                        "tomllib.load",
                        "yaml.load",
                        "yaml.safe_load",
                        "yaml.parse",
                        "yaml.compose",
                        "ElementTree.fromstring",
                        "ElementTree.parse",
                        "ElementTree.XML",
                        "expat.ParserCreate",
                    )
                ):
                    found.add(path.relative_to(PACKAGE).as_posix())
    assert {path for path in found if not path.startswith("io/documents/")} == OTHER_PARSERS
