"""One execution of an experiment: the main flow, resuming it, the search for capacity.

In: an Experiment and its contenders. Out: the folder of a run. May import: every room above.
"""
