"""A run on several devices: one process for each, which reads its images itself."""
