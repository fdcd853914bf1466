"""Images: files, folders, globs, lists, addresses, standard input."""
