"""Sources of a run: opened, listed once, and how closely the run follows live ones."""
