"""Safe file access: reading, atomic writing, locks, the journal, output paths, image decoding, readers of results."""
