"""The runs of a session: what each has shown to its model."""
