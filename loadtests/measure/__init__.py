"""One trial: load, telemetry and counters of one contender at one load level.

In: a planned trial and a running server. Out: a finished trial in the folder of its run.
May import: launch, generator, plan, spec, wire, records, host.
"""
