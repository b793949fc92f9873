"""What the two documents state, judged by runs, by the real server, or from a source.

In: capacities, verdicts and engines of a run; behaviour.json and questions.json. Out: one judgement
a claim about GPUs and batching, and one a statement.
May import: compare, capacity, validity, steady, read.
"""
