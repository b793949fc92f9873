"""From an experiment file to recorded trials: spec, plan, launch, parity, load, records."""
