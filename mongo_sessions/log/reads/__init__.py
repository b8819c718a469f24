"""Reads of sessions, and of the whole collection."""
