"""What the library costs, next to the Agents SDK's own sessions and to the bare driver.

    make bench                                              some six minutes
    python -m benchmarks --quick                            a smoke run: half a minute, no figures
    python -m benchmarks --only pop --json figures.json     one piece of work, and its figures

The contenders do the same work, on the same items, in one process and in one run. They take turns,
in an order that is drawn anew for every round: so what else the machine is busy with meets all of
them alike. What is compared are medians; how far they can be trusted is what stands beside them.
Figures of two runs, or of two machines, are not to be compared: ratios within a run are.

Clients, pools and threads are as they come by default, and all of a kind share one.

Session objects are kept, as in an assistant that is in use: each knows where its session ends from
its last read or write. A new object that appends before it reads has to look first, which costs
one round trip more, once; "append 1, by a new session object" is that.

What every contender guarantees when a write returns is not the same, and stands under the tables.
"""
