"""A static HTML gallery of images with boxes: it knows nothing of where images and boxes come from."""
