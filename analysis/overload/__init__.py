"""What a contender does when it is asked for more than it can answer, and how long it recovers.

In: judged trials with their rows, load points. Out: overloads by factor, an outcome a contender.
May import: capacity, validity, steady, read.
"""
