"""What runs a network: PyTorch, and settings of the process."""
