"""COCO JSON files: one reader and one writer."""
