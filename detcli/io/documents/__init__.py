"""Parses JSON, TOML and YAML that others wrote; every failure is a DocumentError. No other module calls these parsers.

Model files have stricter rules (`checkpoints/json_files.py`).
"""

from detcli.io.documents.document_error import DocumentError
from detcli.io.documents.parse_json import is_nested_at_most, parse_json
from detcli.io.documents.parse_toml import parse_toml

__all__ = ["DocumentError", "is_nested_at_most", "parse_json", "parse_toml"]
