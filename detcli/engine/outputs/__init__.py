"""Where the results of a run go: the plan, and the sinks that it opens."""
