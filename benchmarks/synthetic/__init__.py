"""Seeded data for benchmarks and tests: image and video files, moving shapes, and detections with errors."""
