"""What answers requests: bounded sound, a queue that makes batches, a trained system that keeps nothing."""
