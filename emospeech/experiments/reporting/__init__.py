"""What a report tells of a run, gathered from its folder and, where it is at hand, its corpus."""
