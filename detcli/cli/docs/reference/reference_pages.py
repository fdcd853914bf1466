"""The pages of docs/reference/ by their path below it."""

from detcli.cli.docs.command_tree import CommandNode
from detcli.cli.docs.reference.command_pages import command_pages
from detcli.cli.docs.reference.exit_code_page import exit_code_page
from detcli.cli.docs.reference.model_page import model_page
from detcli.cli.docs.reference.python_page import python_page
from detcli.cli.docs.reference.record_page import record_page
from detcli.cli.docs.reference.record_schema import schema_text


def reference_pages(root: CommandNode) -> dict[str, str]:
    """Relative path -> text of every page."""
    commands = {f"commands/{name}": text for name, text in command_pages(root).items()}
    return {
        **commands,
        "exit-codes.md": exit_code_page(),
        "models.md": model_page(),
        "records.md": record_page(),
        "record.schema.json": schema_text(),
        "python.md": python_page(),
    }
