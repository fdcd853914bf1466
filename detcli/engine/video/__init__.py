"""What only runs over videos have: tracks of several sources, the live policy, results frame by frame."""
