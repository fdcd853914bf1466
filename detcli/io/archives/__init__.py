"""Readers of tar and zip archives: members with their content, in place."""
