"""Joins what was found in one frame and the next, so that an object keeps its number. Knows neither networks nor files."""
