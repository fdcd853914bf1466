"""Models of the Hugging Face Hub: locate, download, cache, verify."""
