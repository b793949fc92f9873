"""Starts a contender, knows when it is ready and whether its answers are right, and stops it.

In: a contender and the model's artefacts. Out: a running server with its address.
May import: generator, spec, wire, records, host.
"""
