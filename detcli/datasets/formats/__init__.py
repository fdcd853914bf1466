"""Datasets of other formats than COCO and YOLO: Pascal VOC, CVAT and LabelMe, whose objects name their class."""
