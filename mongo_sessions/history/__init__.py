"""The history: the log of one session, as a policy sees it."""
