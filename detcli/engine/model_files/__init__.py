"""Files of models: described, converted and exported."""
