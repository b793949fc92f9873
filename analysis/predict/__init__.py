"""What a server would do with a device, a rate and a bound that were not measured.

In: the cost of a pass by batch and length, and what a server spends beside it. Out: predicted
throughput, latency, batches and utilisation; plans and who is cheapest where.
May import: capacity, validity, steady, read.
"""
