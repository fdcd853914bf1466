"""A run without a terminal: from a request to sources, detector, sinks and statistics."""
