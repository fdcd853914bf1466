import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # where network_samples.py lies
sys.path.insert(0, str(Path(__file__).parent))  # and dfine_steps.py
