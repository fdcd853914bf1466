"""Sources of images that arrive in folders while they are watched."""
