"""Many writers, real servers, and faults; then a check of all that is stored.

``make torture SECONDS=60 SEED=1``. The parts, and what they know of each other:

- ``schedule``: which fault comes when, out of a seed.
- ``cluster``: three real mongods behind proxies that lose answers, and how to do a fault to them.
  ``standalone``: the same with one.
- ``client``: a process of writers, and a ``poller``. It writes a journal of what it tries and what
  it is told. ``journal``: the form of that. ``writer``: what is done to ``sessions``; ``editor``:
  rewinds, forks, redactions, deletions and runs.
- ``checker``: reads journals and the raw database, and knows nothing of how either came about.
  ``states`` and ``story``: what a document and all that concerns a session say. The rules are
  in ``batch_rules``, ``removal_rules``, ``edit_rules``, ``redaction_rules``, ``copy_rules`` and
  ``place_rules``, by what they are about. ``removals``: when an item was removed.
- ``round``: all of it together. ``report``: what is printed.
"""
