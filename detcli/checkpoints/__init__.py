"""Weights on disk and on the Hub; knows no network."""
