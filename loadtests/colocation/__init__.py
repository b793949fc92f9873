"""Drives several models in one Triton, alone and together.

In: a Triton with several models. Out: coexist.json and its rows.
May import: run, measure and what they import.
"""
