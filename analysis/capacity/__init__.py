"""What each contender sustains, at what cost, and how close it comes to its engine alone.

In: trials with their certificates. Out: load points and certified rates.
May import: validity, steady, read.
"""
