"""The load generator: replays a schedule inside Locust and writes every request raw.

In: slices (address, schedule), one after another. Out: the rows of each, and the clock offsets of
the load workers. The only room that imports locust and gevent. May import: spec, wire, records.
"""
