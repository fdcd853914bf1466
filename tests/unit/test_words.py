"""Names, help, messages and documents use the standard terms of the field, and names of tests are short."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MODULES = sorted((PROJECT / "detcli").rglob("*.py"))
TESTS = sorted((PROJECT / "tests").rglob("test_*.py"))
PAGES = [
    *PROJECT.glob("*.md"),
    *(PROJECT / "docs").glob("*.md"),
    *(PROJECT / "man").glob("*.1"),
    *(PROJECT / "completions").iterdir(),
]
NOT_STANDARD = re.compile(
    r"\b(pictures?|judg(?:e|es|ed|ing|ement)|culprit|keepsakes?|wish|truths|surest|nobody|somebody|whoever"
    r"|passed over|let go of|goes on with|looked at|look after|colour|licence)\b",
    re.IGNORECASE,
)
OPTION = re.compile(r"(?<![\w-])--[a-z]")
MAX_TEST_NAME = 69
MAX_MODULES = 15


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def words_of(name: str) -> str:
    """A name in snake case or camel case as separate words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


def names_and_strings(path: Path) -> Iterator[str]:
    """Names of the module, its functions and classes, and all its string literals."""
    yield words_of(path.stem)
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield words_of(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def dialect(text: str) -> re.Match[str] | None:
    """The first word that is not a standard term; class names of datasets may contain any word."""
    return NOT_STANDARD.search(text.replace("Picture/Frame", ""))


def names_of_tests(path: Path) -> list[str]:
    """Names of the tests in a file."""
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if function.name.startswith("test_")]


def test_modules_use_standard_terms() -> None:
    wrong = [(str(path), match[0]) for path in MODULES for text in names_and_strings(path) if (match := dialect(text))]
    assert wrong == []


def test_documents_use_standard_terms() -> None:
    wrong = []
    for path in PAGES:
        text = re.sub(r"`[^`]*`", "", path.read_text(encoding="utf-8"))  # the changelog quotes old names
        wrong += [(path.name, match[0]) for match in NOT_STANDARD.finditer(text)]
    assert wrong == []


def test_names_of_tests_use_standard_terms() -> None:
    names = [words_of(name) for path in TESTS for name in (path.stem, *names_of_tests(path))]
    assert [name for name in names if dialect(name)] == []


def test_names_of_tests_are_under_70_characters() -> None:
    assert [name for path in TESTS for name in names_of_tests(path) if len(name) > MAX_TEST_NAME] == []


def test_folders_have_few_modules() -> None:
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in counts.items() if count > MAX_MODULES} == {}


def test_the_library_names_arguments_not_options() -> None:
    """Exit codes describe the command line; the other exceptions name options of pip and of DETR's own program."""
    library = [path for path in MODULES if "cli" not in path.relative_to(PROJECT).parts and path.name != "errors.py"]
    texts = [text for path in library for text in names_and_strings(path)]
    assert [text for text in texts if OPTION.search(text) and not re.search("pip install|--pre_norm", text)] == []
