import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where original_case.py lies
sys.path.insert(0, str(Path(__file__).parents[2]))  # where network_samples.py lies
