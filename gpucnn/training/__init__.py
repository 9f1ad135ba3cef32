"""Training: the loop, its records, and the run folder that outlives it."""
