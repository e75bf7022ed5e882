"""The feature store: hidden states of frozen encoders, computed once, kept by content, read by every later training."""
