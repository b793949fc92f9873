"""Measures the load generator itself, and sets it beside other load tools.

In: servers that answer at once. Out: calibration.json and crosscheck.json.
May import: run, measure and what they import.
"""
