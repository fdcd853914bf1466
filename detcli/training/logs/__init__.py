"""Where the metrics of a run go: curves.png, and loggers of experiments such as TensorBoard."""
