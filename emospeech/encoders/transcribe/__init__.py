"""Speech to text with Whisper: guarded, resumable, shared by several processes."""
