"""One policy, :class:`SummarizeOlder`: a summary of older turns in front of the newest ones."""
