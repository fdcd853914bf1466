"""Stored results without a network: read in any format, filtered, merged, drawn, and written by the sinks of runs."""
