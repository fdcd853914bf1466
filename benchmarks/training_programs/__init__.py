"""The programs that `benchmarks/real_data.py` trains, each in a process of its own and, if wanted, of another Python."""
