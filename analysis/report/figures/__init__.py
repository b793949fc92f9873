"""The figures of a report, one module a figure; colours and markers in style.py."""
