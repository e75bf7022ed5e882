"""What `bench.py` measures, a part a file: each has `run(setting) -> Report`."""
