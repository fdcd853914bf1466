"""Video files, streams and cameras."""
