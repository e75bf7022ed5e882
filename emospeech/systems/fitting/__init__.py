"""How a network is fitted: what it trains, on which rows, in which batches, for how long, and what a person is told."""
