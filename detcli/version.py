"""The version, alone in its room so that asking for it imports nothing."""

__version__ = "0.2.0"
