"""How fast: the speed of a planned run, and the benchmark of models, runtimes and settings, one process per measurement."""
