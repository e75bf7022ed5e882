"""From `Features` to logits: fusion, mixing over time, pooling, heads. Modules take plain values and built parts."""
