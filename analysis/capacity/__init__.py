"""What each contender sustains, at what cost, and how near its engine.

In: trials with their certificates. Out: load points and certified rates.
May import: validity, steady, read.
"""
