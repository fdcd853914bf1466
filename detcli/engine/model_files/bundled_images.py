"""The bundled images, with their ground truth: for the demo, and for the check of exported files."""

from pathlib import Path

BUNDLED_IMAGES = Path(__file__).parent / "demo_images"  # written by benchmarks/synthetic/demo_images.py
GROUND_TRUTH = "ground_truth.json"
