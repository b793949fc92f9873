"""Drives several models in one Triton, alone and together.

In: a Triton with several models. Out: colocation.json and its rows.
May import: run, measure and what they import.
"""
