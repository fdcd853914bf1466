"""The images with the most mistakes: chosen, and drawn with ground truth and predictions side by side."""

from detcli.evaluation.worst_images.write import draw_worst_images, worst_images

__all__ = ["draw_worst_images", "worst_images"]
