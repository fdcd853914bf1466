"""From mask logits to panoptic, instance and semantic segments."""
