"""What only POSIX systems have is used behind a guard, so that detcli runs on Windows too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.posix_names import POSIX_ARGUMENTS, POSIX_ATTRIBUTES, POSIX_MODULES

PACKAGE = Path(__file__).parents[2] / "detcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
_PLATFORM = re.compile(r"sys\.platform|os\.name|platform\.|hasattr\(")


def unguarded(source: str) -> list[str]:
    """The uses of POSIX names without a guard, with their line numbers."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return [f"{name} in line {node.lineno}" for name, node in posix_uses(tree) if not is_guarded(node, parents)]


def posix_uses(tree: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt]]:
    """Each use of a module, an attribute or an argument that only POSIX systems have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names if alias.name in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name, node) for name in names if node.module in POSIX_MODULES or is_posix(name))
        elif isinstance(node, ast.Attribute) and is_posix(ast.unparse(node)):
            yield ast.unparse(node), node
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("subprocess."):
            yield from ((f"{word.arg}=", node) for word in node.keywords if word.arg in POSIX_ARGUMENTS)


def is_posix(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return attribute in POSIX_ATTRIBUTES.get(module, ())


def is_guarded(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a check of the system, or the handler of a missing module, surrounds or precedes a node."""
    while node in parents:
        parent = parents[node]
        if (
            isinstance(parent, ast.If | ast.IfExp)
            and node is not parent.test
            and _PLATFORM.search(ast.unparse(parent.test))
        ):
            return True
        if isinstance(parent, ast.BoolOp) and any(
            _PLATFORM.search(ast.unparse(value))
            for value in parent.values[: parent.values.index(node)]  # type: ignore[arg-type]
        ):
            return True
        if isinstance(parent, ast.Try) and node in parent.body and any(map(_is_for_a_missing_name, parent.handlers)):
            return True
        if any(_ends_elsewhere(earlier) for earlier in _statements_before(node, parent)):
            return True
        node = parent
    return False


def _is_for_a_missing_name(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and bool(
        re.search("ImportError|AttributeError|ModuleNotFound", ast.unparse(handler.type))
    )


def _statements_before(node: ast.AST, parent: ast.AST) -> list[ast.stmt]:
    """The statements of the same block before a statement."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and node in block:
            return block[: block.index(node)]
    return []


def _ends_elsewhere(statement: ast.stmt) -> bool:
    """Whether a statement leaves the block on a system without the name."""
    leaves = (ast.Return, ast.Raise, ast.Continue)
    if isinstance(statement, ast.If):
        return bool(_PLATFORM.search(ast.unparse(statement.test))) and isinstance(statement.body[-1], leaves)
    return isinstance(statement, ast.Try) and any(
        _is_for_a_missing_name(handler) and isinstance(handler.body[-1], leaves) for handler in statement.handlers
    )


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_what_windows_lacks_is_used_behind_a_guard(path: Path) -> None:
    assert unguarded(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "def f():\n    import termios",
        "from resource import getrusage",
        "import os\nos.fork()",
        "import signal\nsignal.signal(signal.SIGHUP, f)",
        "import select\nselect.select([0], [], [])",
        "import subprocess\nsubprocess.Popen([], pass_fds=[3])",
        "import sys\nif sys.platform == 'win32':\n    x = 1\nos.getuid()",
        "try:\n    import pwd\nexcept OSError:\n    pass",
    ],
)
def test_an_unguarded_use_is_recognized(source: str) -> None:
    assert len(unguarded(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nif sys.platform != 'win32':\n    import fcntl",
        "try:\n    import resource\nexcept ImportError:\n    resource = None",
        "def f():\n    if sys.platform == 'win32':\n        return 0\n    return os.getuid()",
        "x = os.getuid() if hasattr(os, 'getuid') else 0",
        "x = hasattr(os, 'getuid') and os.getuid()",
        "number = getattr(signal, 'SIGHUP', None)",
        "os.getpid()\nsignal.SIGTERM",
    ],
)
def test_a_guarded_use_is_accepted(source: str) -> None:
    assert unguarded(source) == []
