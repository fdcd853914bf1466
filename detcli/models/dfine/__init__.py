"""D-FINE (Peng et al. 2024): boxes as distributions over edge offsets, refined layer by layer."""
