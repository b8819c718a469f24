"""The log: what happened. All commands on stored items are in this folder.

- ``log``: the operations that the rest of the package calls; start here
- ``documents``, ``places``, ``session_ids``: what is stored, and what each field means
- ``writes``: append, pop, clear, rewind, fork, replace, redact and delete, each atomic
- ``reads``: pages, lists, what a watcher follows, what an export reads
- ``claims``, ``pins``, ``receipts``, ``counts``, ``turns``: what is kept beside items
- ``search``: which items match, compared on the server
- ``cards``: the second collection, one small document a session
- ``server``: the drivers, retries, transactions, and reads that survive an election
- ``indexes``: creates or checks the indexes
"""
