"""Search: which items match, compared on the server."""
