"""Files, run folders and processes: what everything else stands on."""
