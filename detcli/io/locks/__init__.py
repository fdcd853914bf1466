"""Locks on files, between processes."""
