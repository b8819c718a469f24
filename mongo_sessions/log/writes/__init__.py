"""Writes: each changes what has happened, in one atomic step."""
