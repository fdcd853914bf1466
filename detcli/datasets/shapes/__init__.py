"""Synthetic images of shapes with ground truth: any number of them, from a seed, without a download.

An image depends only on its seed and its index. First its layout is chosen (`scene_layout.py`: shapes, positions, boxes);
its pixels are rendered only if they are requested (`render.py`).
"""

from detcli.datasets.shapes.scene_layout import CLASSES, VERSION
from detcli.datasets.shapes.shapes_dataset import ShapesDataset, draw

__all__ = ["CLASSES", "VERSION", "ShapesDataset", "draw"]
