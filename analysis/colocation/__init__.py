"""What each model loses beside others in one Triton.

In: colocation.json and its rows. Out: losses with intervals, as a page.
May import: compare, validity, steady, read.
"""
