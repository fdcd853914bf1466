"""Frames -> one batch: preprocessor_config.json, resizing, scaling."""
