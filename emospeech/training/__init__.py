"""The training loop. It knows a module and batches, not which model."""
