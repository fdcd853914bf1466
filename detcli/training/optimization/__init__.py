"""One optimization step: parameter groups, EMA, gradient accumulation, several processes."""
