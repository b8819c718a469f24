"""Recall: what a query finds in a history. The words that are compared, and the ranking."""
