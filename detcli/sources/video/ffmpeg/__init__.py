"""Video decoding through PyAV."""
