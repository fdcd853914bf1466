"""Two results on the same ground truth: which is better, by how much, and where."""
