"""Ratios between contenders with intervals, and a verdict on each.

In: load points. Out: verdicts, the ablation, the noise floor.
May import: overload, capacity, validity, steady, read.
"""
