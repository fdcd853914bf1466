"""Sources of images: files, folders, globs, lists, URLs, standard input."""
