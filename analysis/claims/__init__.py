"""What others claim about GPUs and batching, judged by what a run measured.

In: capacities, verdicts and engines. Out: one judgement a claim.
May import: compare, capacity, validity, steady, read.
"""
