"""Programs that measure speed, memory and tracking quality; each runs from a checkout."""
