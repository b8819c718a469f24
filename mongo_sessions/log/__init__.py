"""The log: what happened. Every command on stored items is in here."""
