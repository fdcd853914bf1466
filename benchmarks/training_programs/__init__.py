"""The programs that `benchmarks/real_data.py` trains, each in a process of its own, and the cost of the loader for `train.py`."""
