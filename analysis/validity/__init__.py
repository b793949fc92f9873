"""May a trial be used, and for what?

In: a trial's figures. Out: its certificate: each check with what was found and its bound.
May import: steady, read.
"""
