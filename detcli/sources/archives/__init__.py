"""Images in tar and zip archives, read in place: nothing is unpacked to the disk."""
