"""Notebooks as percent scripts; analysis.notebook executes them."""
