"""From files to batches: manifest, audio, splits, examples."""
