"""Augmentation and resizing of images with their boxes and masks."""
