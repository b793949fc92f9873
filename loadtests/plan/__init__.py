"""Which trials, at which rates, in which order, and how long they take: pure functions.

In: an Experiment and what is known so far. Out: planned trials. May import: spec, records.
"""
