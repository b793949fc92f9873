"""Untrained models of realistic cost that stand beside the classifier in one Triton.

Their weights are seeded: they are there to take time on the device, and their answers mean nothing.
"""
