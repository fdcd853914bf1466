"""Training recipes: the settings of a run, their schema, and the published ones."""
