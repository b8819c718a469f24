"""Concurrency: background tasks, cancellation, and shared runs of one operation."""
