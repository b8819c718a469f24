"""Cards: what a list of sessions shows, kept beside the items."""
