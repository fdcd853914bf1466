"""Folders of files that runs write, and replace."""
