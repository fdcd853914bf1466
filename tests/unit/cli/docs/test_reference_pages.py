"""The pages of docs/reference/ hold every command, option, exit code, model and public name."""

import re

import pytest

import detcli
from detcli import errors
from detcli.checkpoints.catalog import CATALOG
from detcli.cli.docs.command_tree import CommandNode, read_tree
from detcli.cli.docs.reference.command_pages import option_id
from detcli.cli.docs.reference.markdown import as_html, table, with_code
from detcli.cli.docs.reference.reference_pages import reference_pages
from detcli.cli.main import cli
from detcli.io.results.formats import FORMATS

ROOT = read_tree(cli, "detcli")
PAGES = reference_pages(ROOT)


def page_of(node: CommandNode) -> str:
    """The page of a command; a subcommand is on the page of its group."""
    return PAGES[f"commands/{node.path[1] if len(node.path) > 1 else 'index'}.md"]


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of the first table whose header begins like this, or of all of them."""
    found = re.findall(rf"^{re.escape(header)}.*\n\|[-:|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for body in found for line in body.splitlines()]


@pytest.mark.parametrize("node", list(ROOT.walk()), ids=lambda node: " ".join(node.path))
def test_every_command_and_option_is_on_its_page(node: CommandNode) -> None:
    page = page_of(node)
    assert f"{' '.join(node.path)} {node.usage}" in page or node is ROOT
    shared = {flag.names for flag in ROOT.flags}
    for flag in node.flags:
        path = node.path[:2] if len(node.path) > 2 and flag.names in shared else node.path
        assert page.count(f'<h3 class="option" id="{option_id(path, flag)}">') == 1
        for name in flag.names:
            assert f"<code>{name}</code>" in page
    for example in node.examples:
        assert example.line in page


def test_anchors_of_options_are_unique() -> None:
    for name, page in PAGES.items():
        anchors = re.findall(r'id="([^"]+)"', page)
        assert len(anchors) == len(set(anchors)), name


def test_the_page_of_exit_codes_has_the_table_of_the_code() -> None:
    shown = rows(PAGES["exit-codes.md"], "| code | meaning |")
    assert [(code, meaning.replace("`", "'")) for code, meaning, _ in shown] == [
        (code, re.sub(r"(?<!')(--[a-z-]+)", r"'\1'", meaning)) for code, meaning in errors.EXIT_CODES.items()
    ]


def test_every_error_with_an_exit_code_is_on_the_page() -> None:
    for code, _, names in rows(PAGES["exit-codes.md"], "| code | meaning |"):
        for name in re.findall(r"`(\w+)`", names):
            assert str(getattr(detcli, name).exit_code) == code
    defined = {
        kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DetcliError) and kind.exit_code > 1
    }
    on_page = set(re.findall(r"#detcli\.(\w+)\)", PAGES["exit-codes.md"]))
    assert {name for name in defined if getattr(errors, name).__bases__[0] is errors.DetcliError} - {
        "ImageError"
    } == on_page


def test_the_page_of_models_has_the_whole_catalog() -> None:
    shown = {row[0].strip("`"): row[1:] for row in rows(PAGES["models.md"], "| name | task |")}

    def section_of(name: str) -> str:
        [section] = [text for text in PAGES["models.md"].split("\n## ") if f"\n| `{name}` |" in text]
        return section

    assert list(shown) == sorted(CATALOG, key=list(CATALOG).index)
    for name, entry in CATALOG.items():
        cells = shown[name]
        assert cells[-1].strip("`") == (entry.repository or entry.published_at or "bundled")
        nms = "" if entry.nms is None else f", default `--nms` {entry.nms:g}"
        assert f"License {entry.license}, default threshold {entry.threshold:g}{nms}." in section_of(name)
        assert ("segment" in cells[0]) == (entry.task == "panoptic")
        assert ("-" if entry.average_precision is None else f"{entry.average_precision:.1f}") == cells[2]


def test_the_page_of_records_has_every_format() -> None:
    shown = [row[1].strip("`") for row in rows(PAGES["records.md"], "| format |")]
    assert shown == list(FORMATS.built_in())


def test_every_image_error_code_has_a_meaning() -> None:
    assert tuple(errors.IMAGE_ERROR_MEANINGS) == errors.IMAGE_ERROR_CODES


def test_the_python_page_has_every_public_name() -> None:
    shown = re.findall(r"^::: detcli\.(\w+)$", PAGES["python.md"], re.MULTILINE)
    assert sorted([*shown, "__version__"]) == sorted(detcli.__all__)
    assert len(shown) == len(set(shown))


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Use --resume, or -o FILE.", "Use `--resume`, or `-o` FILE."),
        (
            "a name from 'detcli models list'; '-' is standard input",
            "a name from `detcli models list`; `-` is standard input",
        ),
        ("the model's, the users' settings", "the model's, the users' settings"),
        ("bit-identical, 0-1 and well-known", "bit-identical, 0-1 and well-known"),
        ("config_file <b> [x] *y* _z_", r"config_file \<b> \[x\] \*y\* \_z\_"),
    ],
)
def test_options_and_quoted_words_in_help_texts_become_code(text: str, markdown: str) -> None:
    assert with_code(text) == markdown


def test_html_of_a_help_text_is_escaped() -> None:
    assert as_html(with_code("--min N < 3 & _x_")) == "<code>--min</code> N &lt; 3 &amp; _x_"


def test_a_table_escapes_bars() -> None:
    assert list(table(["a", "b"], [["x|y", "1"]], right=["b"])) == ["| a | b |", "|---|--:|", r"| x\|y | 1 |"]
