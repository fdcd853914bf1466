"""What AP alone does not tell: thresholds, calibration, intervals, types of errors, and AP by size of the images."""
