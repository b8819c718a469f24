"""The second collection: one small document a session."""
