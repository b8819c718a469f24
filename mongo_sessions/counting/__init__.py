"""Counting: the tokens of items, and which counter has counted them."""
