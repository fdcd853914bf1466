"""The layers: imports run only downward, and there are no cycles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "detcli"

# The longest matching prefix wins. Modules of one package may import each other, without cycles.
LAYERS = {
    "detcli.__main__": 11,
    "detcli.cli": 10,
    "detcli.api": 9.5,
    "detcli.engine": 9,
    "detcli.training": 8,
    "detcli.evaluation": 7,
    "detcli.pipeline": 6,
    "detcli.exporting": 6,
    "detcli.inference": 5,
    "detcli.inspection": 5,
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
    "detcli.counting": 1,
    "detcli.argument_checks": 1,
    "detcli.extras": 1,
    "detcli.image_selection": 1,
    "detcli.libraries": 1,
    "detcli.opencv": 1,
    "detcli.shard": 1,
    "detcli.text": 1,
    "detcli.errors": 1,
    "detcli.version": 1,
    "detcli": 11,  # the public API
    "detcli.cli.docs.reference": 12,  # pages that describe the public API
    "detcli.cli.docs.generate": 13,  # writes them
}
# The command line reaches these only through the engine.
BEHIND_THE_ENGINE = ("sources", "sinks", "pipeline", "inference", "runtimes", "tracking")
# Inside the models: families -> backbones and losses -> layers; the interface imports no family.
MODEL_LAYERS = {
    "detcli.models.layers": 1,
    "detcli.models.backbones": 2,
    "detcli.models.losses": 2,
    "detcli.models.config_fields": 1,
    "detcli.models.conversion": 2,
    "detcli.models.detr_common": 2,
    "detcli.models.empty_weights": 1,
    "detcli.models.inference_form": 1,
    "detcli.models.reduced_network": 1,
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


def package_of(module: str) -> str:
    return max((name for name in LAYERS if module == name or module.startswith(name + ".")), key=len)


def model_layer(module: str) -> int:
    matching = [layer for name, layer in MODEL_LAYERS.items() if module == name or module.startswith(name + ".")]
    return matching[0] if matching else 3


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downward(module: str) -> None:
    for imported in imports(MODULES[module]):
        if imported == module:
            continue
        here, there = package_of(module), package_of(imported)
        if here == there:
            if here == "detcli.models":
                assert model_layer(imported) <= model_layer(module), f"{module} imports {imported}, a layer above it"
                same_family = module.split(".")[2:3] == imported.split(".")[2:3]
                assert model_layer(imported) < 3 or same_family, (
                    f"{module} imports {imported}: families do not import each other"
                )
            continue
        assert LAYERS[there] < LAYERS[here] or (LAYERS[there] == LAYERS[here] in (1, 2)), (
            f"{module} (layer {LAYERS[here]}) imports {imported} (layer {LAYERS[there]}): imports run downward only"
        )


def test_imports_have_no_cycles() -> None:
    graph = {module: {name for name in imports(path) if name != module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "a cycle: " + " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_structures_import_no_torch() -> None:
    """Frames, detections and records must be usable without torch; only `network_io` and `boxes` import it."""
    for module in MODULES:
        if not module.startswith("detcli.structures") or module.rsplit(".", 1)[-1] in ("network_io", "boxes"):
            continue
        source = MODULES[module].read_text(encoding="utf-8")
        assert "import torch" not in source, module
        assert "from torch" not in source, module


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("detcli.cli")])
def test_the_command_line_runs_through_the_engine(module: str) -> None:
    for imported in imports(MODULES[module]):
        package = imported.split(".")[1] if "." in imported else ""
        assert package not in BEHIND_THE_ENGINE, f"{module} imports {imported}"


def test_every_class_has_its_own_name() -> None:
    owners: dict[str, str] = {}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert node.name not in owners, f"{module} and {owners[node.name]} have a class {node.name}"
                owners[node.name] = module


@pytest.mark.parametrize("page", ["docs/explanation/architecture.md", "docs/images/architecture.svg"])
def test_the_architecture_page_and_its_diagram_name_every_package(page: str) -> None:
    text = (PACKAGE.parent / page).read_text(encoding="utf-8")
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert [name for name in packages if f"{name}/" not in text] == []
