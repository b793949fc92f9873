"""Is the method right? Simulated truth against measurement, coverage of intervals, speed.

In: runs of simulated services, or simulated rows. Out: tables, and exit code 1 on a failure.
May import: every room of analysis.
"""
