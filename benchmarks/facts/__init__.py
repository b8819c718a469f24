"""The facts that a policy keeps, and the share of a prompt that a provider's cache can reuse.

    make facts                              some five minutes, no server
    python -m benchmarks.facts --quick      a smoke run: a few seconds, no figures

Three questions, which no time answers:

* Which facts are told rightly after 10, 100 and 300 folds? A conversation tells facts and corrects
  them. A deterministic stand-in for a model writes the summaries. A rolling summary (one text,
  rewritten at each fold) has the same room, the same blocks and the same stand-in.
* Which facts of the first tenth are known after 10, 100 and 1,000 folds: by a rolling summary, by
  segments, and by segments with keepsakes?
* Which share of the tokens sent stands in a prefix that is identical to the prompt before?
* The same inside a run with many tool calls, with our filter and without.

Everything is drawn from a seed: two runs print the same figures.
"""
