"""The floors of the house: imports run only downward, stations never know each other, and there are no circles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "detcli"

# Longest matching prefix wins. Within one room everything may know everything, circles apart.
FLOORS = {
    "detcli.__main__": 11,
    "detcli.cli": 10,
    "detcli.api": 9.5,
    "detcli.engine": 9,
    "detcli.training": 8,
    "detcli.evaluation": 7,
    "detcli.pipeline": 6,
    "detcli.inference": 5,
    "detcli.sources": 4,
    "detcli.sinks": 4,
    "detcli.runtimes": 4,
    "detcli.models": 4,
    "detcli.checkpoints": 4,
    "detcli.datasets": 4,
    "detcli.tracking": 4,
    "detcli.visualization": 3,
    "detcli.registry": 2,
    "detcli.io": 2,
    "detcli.structures": 1,
    "detcli.argument_checks": 1,
    "detcli.text": 1,
    "detcli.errors": 1,
    "detcli.version": 1,
    "detcli": 11,  # the public face
}
# The command line reaches these only through the engine.
BEHIND_THE_ENGINE = ("sources", "sinks", "pipeline", "inference", "runtimes", "tracking")
NOT_YET_BEHIND = ("detcli.cli.train",)
# Names of formats for help pages, which import nothing.
LIGHT_NAMES = ("detcli.sinks.sink", "detcli.sinks.formats")
# Inside the models: families -> backbones and losses -> layers; the door knows no family.
MODEL_FLOORS = {
    "detcli.models.layers": 1,
    "detcli.models.backbones": 2,
    "detcli.models.losses": 2,
    "detcli.models.config_fields": 1,
    "detcli.models.conversion": 2,
    "detcli.models.detr_common": 2,
    "detcli.models.empty_weights": 1,
    "detcli.models.inference_form": 1,
    "detcli.models.family": 2,
}


def modules() -> dict[str, Path]:
    """Module name -> file, of the whole package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, anywhere in it (inside functions too)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "detcli")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "detcli":
            assert node.level == 0
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def room_of(module: str) -> str:
    return max((room for room in FLOORS if module == room or module.startswith(room + ".")), key=len)


def model_floor(module: str) -> int:
    matching = [floor for room, floor in MODEL_FLOORS.items() if module == room or module.startswith(room + ".")]
    return matching[0] if matching else 3


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downward(module: str) -> None:
    for imported in imports(MODULES[module]):
        if imported == module:
            continue
        here, there = room_of(module), room_of(imported)
        if here == there:
            if here == "detcli.models":
                assert model_floor(imported) <= model_floor(module), f"{module} imports {imported}, a floor above it"
                same_family = module.split(".")[2:3] == imported.split(".")[2:3]
                assert model_floor(imported) < 3 or same_family, f"{module} imports {imported}: families are twins"
            continue
        assert FLOORS[there] < FLOORS[here] or (FLOORS[there] == FLOORS[here] in (1, 2)), (
            f"{module} (floor {FLOORS[here]}) imports {imported} (floor {FLOORS[there]}): imports run downward only"
        )


def test_there_are_no_circles() -> None:
    graph = {module: {name for name in imports(path) if name != module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "a circle: " + " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_the_ground_knows_no_heavy_library() -> None:
    """Frames, detections and records must be usable without torch; only batches, outputs and boxes know it."""
    for module in MODULES:
        if not module.startswith("detcli.structures") or module.rsplit(".", 1)[-1] in ("batch", "outputs", "boxes"):
            continue
        source = MODULES[module].read_text(encoding="utf-8")
        assert "import torch" not in source, module
        assert "from torch" not in source, module


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("detcli.cli")])
def test_the_command_line_runs_through_the_engine(module: str) -> None:
    for imported in imports(MODULES[module]):
        package = imported.split(".")[1] if "." in imported else ""
        if module.startswith(NOT_YET_BEHIND):
            continue
        assert package not in BEHIND_THE_ENGINE or imported in LIGHT_NAMES, f"{module} imports {imported}"
