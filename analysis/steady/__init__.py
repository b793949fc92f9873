"""What one trial measured in its steady state.

In: a trial's rows and telemetry. Out: latencies, rates and resources used. May import: read.
"""
