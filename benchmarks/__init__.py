"""What the library costs, next to the Agents SDK's own sessions and to the bare driver.

    make bench                                              some six minutes
    python -m benchmarks --quick                            a smoke run: half a minute, no figures
    python -m benchmarks --only pop --json figures.json     one piece of work, and its figures

The contenders do the same work, on the same items, in one process and in one run. They take turns,
in a new random order for every round, so other load on the machine affects all of them alike. The
report compares medians, and gives percentiles beside them. Only ratios within one run are
comparable: figures of two runs, or of two machines, are not.

Clients, pools and threads have their default options, and all contenders of a kind share a client.

Session objects are reused, as in a running assistant: each knows the end of its session from its
last read or write. A new object that appends before it reads needs one more round trip, once:
"append 1, by a new session object" measures it.

The contenders give different guarantees when a write returns; the report lists them.
"""
