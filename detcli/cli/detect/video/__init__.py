"""`detcli video`: its options, its run on the screen, and its summary."""
