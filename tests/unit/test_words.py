"""Names and texts use the terms of the field; structure and names stay easy to read."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "detcli"
MAX_ENTRIES = 15  # of a folder of the package
MAX_TEST_NAME = 69  # characters

# Words of earlier versions that another term replaces.
DENIED = re.compile(
    r"\b(pictures?|judg(?:e|es|ed|ing|ement|ements)|culprits?|keepsakes?|wish(?:es|ed)?|truths|surest|nobody|somebody"
    r"|whoever|passed over|let go of|goes on with|looked at|look after|colours?|licence)\b",
    re.IGNORECASE,
)
# Names of other projects, class names of data sets, and a random seed that must not change.
ALLOWED = ("PictureType", "Picture/Frame", "_COLOR_SEED")
TEXTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    ".github",
    "pyproject.toml",
    "docs",
    "man",
    "completions",
    "detcli",
    "tests",
    "benchmarks",
]


def files(*names: str, suffixes: tuple[str, ...] = ()) -> Iterator[Path]:
    """The files of the project below these names."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *names],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = PROJECT / name
        if path.is_file() and path != Path(__file__) and (not suffixes or path.suffix in suffixes):
            yield path


def words_of(name: str) -> str:
    """An identifier or a module name as words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_has_a_word_of_the_deny_list(name: str) -> None:
    found = []
    for path in files(name, suffixes=(".py", ".md", ".toml", ".yml", ".1", ".bash", ".fish", "")):
        text = path.read_text(encoding="utf-8")
        if path.name == "CHANGELOG.md":
            text = re.sub(r"`[^`]*`", "", text)  # it quotes old names
        for number, line in enumerate(text.splitlines(), 1):
            match = DENIED.search(words_of(line)) or DENIED.search(line)
            if match and not any(allowed in line for allowed in ALLOWED):
                found.append(f"{path.relative_to(PROJECT)}:{number}: {match[0]}")
    assert not found, "\n".join(found[:50])


def test_no_module_name_has_a_word_of_the_deny_list() -> None:
    assert not [path for path in files("detcli", "tests", "benchmarks") if DENIED.search(words_of(path.stem))]


@pytest.mark.parametrize("path", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=str)
def test_folders_are_small(path: Path) -> None:
    entries = [entry for entry in path.iterdir() if entry.name not in ("__pycache__", "__init__.py", "py.typed")]
    assert path == PACKAGE or len(entries) <= MAX_ENTRIES


def test_names_of_tests_are_short() -> None:
    names = {
        node.name
        for path in files("tests", suffixes=(".py",))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert not [name for name in names if len(name) > MAX_TEST_NAME]


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The string literals of a module with their lines, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_library_messages_name_arguments_and_no_options() -> None:
    allowed = ("pip install", "--pre_norm")  # options of other programs
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {text[:90]}"
        for path in files("detcli", suffixes=(".py",))
        if PACKAGE / "cli" not in path.parents and path != PACKAGE / "errors.py"
        for line, text in strings(path)
        if re.search(r"(?<![\w-])--[a-z][a-z-]+", text) and not any(word in text for word in allowed)
    ]
    assert not found, "\n".join(found)
