"""One execution of an experiment: the main flow (flow.run_study), resuming it, the search.

In: the options of a run, and the tools that act on the machine. Out: the folder of a run.
May import: measure and what it imports.
"""
