"""COCO metrics, the confusion matrix, and the images with the most errors."""
