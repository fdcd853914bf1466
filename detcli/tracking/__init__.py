"""Object tracking: joins the detections of successive frames, so that an object keeps its id. No networks, no files."""
