"""The log: what happened. All commands on stored items are in this folder.

- ``log``: the operations that the rest of the package calls; start here
- ``append`` (with ``group_commit``), ``pop``, ``clear``, ``replace``: the writes
- ``listing``, ``counts``, ``claims``: sessions, token counts, summaries with their leases
- ``documents``, ``places``, ``session_ids``: what is stored, and what each field means
- ``retries``, ``transactions``, ``marks``: how a write is applied exactly once
- ``lasting``, ``clock``: reads that survive an election, and the server's time
- ``drivers``, ``server``, ``deployment``, ``redaction``: Motor and PyMongo, topology, errors
- ``indexes``: creates or checks the indexes
"""
