"""What DETR and Deformable DETR share: configuration, recipe, and names of their original repositories."""
