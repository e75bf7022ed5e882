"""A run as one page for people: what it holds (content), its pictures, and how both are written."""
