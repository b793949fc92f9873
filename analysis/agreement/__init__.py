"""Whether several runs say the same.

In: finished runs. Out: every finding that two of them have in common, and whether they agree on it.
May import: report, compare, capacity, validity, read.
"""
