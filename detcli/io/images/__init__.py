"""Image decoding: headers, EXIF, limits."""
