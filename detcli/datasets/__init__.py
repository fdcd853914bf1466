"""Images with ground truth: what networks learn from and are evaluated against. They know no network."""
