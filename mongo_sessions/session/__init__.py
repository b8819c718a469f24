"""The session: one conversation, as the Agents SDK and a chat application use it."""
