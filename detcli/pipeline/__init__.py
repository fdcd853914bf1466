"""The loop: read ahead, batch, detect, write behind."""
