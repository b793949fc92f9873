"""The load generator: replays a schedule inside Locust and writes every request raw.

In: an assignment (schedule, texts, address). Out: rows, one file a worker process. The only room
that imports locust and gevent. May import: spec, wire, records.
"""
