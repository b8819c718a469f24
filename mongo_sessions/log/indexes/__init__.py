"""The indexes that a collection must have."""
