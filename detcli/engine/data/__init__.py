"""Commands for datasets: open their parts, check them, and compute their statistics."""
