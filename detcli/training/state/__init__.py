"""What a training run keeps on disk: the run folder, checkpoints, exported models."""
