"""Systems: each can be fitted, predicts a manifest, and lives in a run folder."""
