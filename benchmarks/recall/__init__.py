"""What a question needs of a long conversation: how much of it a prompt has.

Without a model. Each question has the items that answer it, its evidence; the share of them that
the prompt has is counted, on the average over the questions.

    python -m benchmarks.recall                   a conversation that is made here
    python -m benchmarks.recall --locomo PATH     LoCoMo: locomo10.json, which has its own licence
"""
