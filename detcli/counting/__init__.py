"""Counting: objects that cross lines, and objects in zones, from detections with or without track ids."""
