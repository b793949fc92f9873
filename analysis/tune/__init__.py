"""Whether a configuration that was searched for beats the default: `study tune`.

In: the run of each generation, and what was asked. Out: scores for the search, the verdict with its
page, and the figure.
May import: report, compare, capacity, validity, read.
"""
