"""What an audit hears: measures of each clip, clips that are one sound, and what is wrong with them."""
