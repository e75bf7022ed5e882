"""What an audit reads: words that clips share, and transcripts that no human wrote."""
