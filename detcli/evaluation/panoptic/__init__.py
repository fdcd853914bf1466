"""Panoptic quality: reading segment maps, matching segments, PQ, SQ and RQ."""
