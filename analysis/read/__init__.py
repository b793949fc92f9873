"""A run folder, read once into immutable values.

In: the files of a run. Out: a Run. May import: loadtests.records.
"""
