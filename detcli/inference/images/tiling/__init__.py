"""Large images in tiles: small objects are then as large for the network as in a small image."""
