"""Results against truths: the figures of COCO, and what lies behind them."""
