"""A simulated service: answers a fixed label after a time that follows a known law.

No model runs. What it should measure is known exactly, so that the harness can be checked.
"""
