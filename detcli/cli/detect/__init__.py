"""The commands `detect`, `segment` and `video`."""
