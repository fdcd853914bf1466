"""What networks minimise: assignment of queries to truths, and the terms of the losses."""
