"""Manual pages and completion scripts, generated from the commands."""
