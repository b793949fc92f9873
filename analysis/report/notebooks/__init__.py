"""Notebooks as percent scripts; analysis.report.notebook executes them."""
