"""Searches the options of a contender with Triton inside: `study tune`.

In: what is asked (records.tuning), and what analysis says of each run. Out: runs of generations,
each an experiment of the usual rotation, and the best configuration as files.
May import: run, measure, launch, plan, spec, records and what they import.
"""
