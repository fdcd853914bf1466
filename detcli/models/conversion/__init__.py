"""Conversion of weights: names of the Hub, names of the original repositories, other classes."""
