"""What the benchmarks of `emospeech serve` share: a server in a process of its own, and clients that cost little."""
