"""PyTorch pickle checkpoints (.pth), read in a child process with limits."""
