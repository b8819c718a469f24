"""The connection: what a store has in one event loop."""
