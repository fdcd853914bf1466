"""What the formats of a run need: settings that one of them uses, and packages that are installed."""

from collections.abc import Collection

from detcli.engine.requests.run_request import OutputSettings
from detcli.errors import UsageError
from detcli.extras import EXTRAS, install_command
from detcli.io.results.formats import Format
from detcli.libraries import is_installed


def check_format_needs(formats: Collection[Format], output: OutputSettings) -> None:
    """Raise UsageError for `rows` without a format that uses it, or for a format whose packages are not installed."""
    if output.rows != "images" and not any("rows" in record.options for record in formats):
        raise UsageError(
            f"`rows={output.rows}` is for the format parquet: name a file in `outputs` that ends in .parquet"
        )
    for record in formats:
        missing = [name for name in EXTRAS[record.extra] if not is_installed(name)] if record.extra is not None else []
        if record.extra is not None and missing:
            verb = "is" if len(missing) == 1 else "are"
            raise UsageError(
                f"{record.title} needs {' and '.join(missing)}, which {verb} not installed: {install_command(record.extra)}"
            )
