"""The store: all sessions of one collection."""
