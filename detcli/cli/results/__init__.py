"""Commands on stored results, which need no model."""
