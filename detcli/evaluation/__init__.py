"""How good detections are: the figures of COCO, what is mistaken for what, and which images go worst."""
