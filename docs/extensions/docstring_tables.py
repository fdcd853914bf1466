"""Extension of griffe for the site: the tables of names in docstrings become sections that mkdocstrings lists."""

import griffe

from detcli.cli.docs.reference.docstring_sections import with_sections


class DocstringTables(griffe.Extension):
    """Converts the docstring of every function and class."""

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        """Convert the docstring of a function."""
        _convert(func)

    def on_class(self, *, cls: griffe.Class, **_: object) -> None:
        """Convert the docstring of a class."""
        _convert(cls)


def _convert(item: griffe.Object) -> None:
    if item.docstring is not None:
        item.docstring.value = with_sections(item.docstring.value, is_class=item.is_class)
