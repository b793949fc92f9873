"""From a TOML file to one frozen Experiment, or one sentence that says what is wrong with it.

In: the file and what the command line changes. Out: an Experiment and its contenders.
May import: records, wire.
"""
