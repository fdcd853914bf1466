"""What the tensors of an original D-FINE do not show, or show indirectly."""
