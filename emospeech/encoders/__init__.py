"""From waveforms and tokens to sequences of vectors: pre-trained checkpoints, or small nets trained from scratch."""
