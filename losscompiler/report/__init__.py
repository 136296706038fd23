"""A compiled loss as text for people."""
