"""Which contender to choose, at which rate, and what would change that.

In: capacities and verdicts. Out: a recommendation as values.
May import: compare, capacity, validity, steady, read.
"""
