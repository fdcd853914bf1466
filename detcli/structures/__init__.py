"""Immutable records that the packages exchange; they import nothing else of detcli but errors."""
