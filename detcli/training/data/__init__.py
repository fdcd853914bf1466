"""From a dataset to batches on the device: samples, sampler, data loader."""
