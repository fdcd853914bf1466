"""What runs are asked for, as checked records."""
