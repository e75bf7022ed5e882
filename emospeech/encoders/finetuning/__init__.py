"""Pre-trained encoders that train: all of them, their top blocks, or adapters; what does not train stays as it is."""
