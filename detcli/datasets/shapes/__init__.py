"""Drawn pictures of shapes, endless and seeded: truth without a download.

A picture follows from its seed and its number alone. First it is laid out (`layout.py`: which shape lies where, hence
the boxes), then, only if somebody looks, painted (`painting.py`).
"""

from detcli.datasets.shapes.scene_layout import CLASSES, VERSION
from detcli.datasets.shapes.shapes_dataset import Shapes, draw

__all__ = ["CLASSES", "VERSION", "Shapes", "draw"]
