"""`detcli bench`."""
