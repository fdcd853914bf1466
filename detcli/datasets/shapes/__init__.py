"""Drawn images of shapes, endless and seeded: ground truth without a download.

An image follows from its seed and its number alone. First it is laid out (`layout.py`: which shape lies where, hence
the boxes), then, only if somebody looks, painted (`painting.py`).
"""

from detcli.datasets.shapes.scene_layout import CLASSES, VERSION
from detcli.datasets.shapes.shapes_dataset import ShapesDataset, draw

__all__ = ["CLASSES", "VERSION", "ShapesDataset", "draw"]
