"""Text encoders: pre-trained or from scratch, a state for each token; their tokenizers; long texts in windows."""
