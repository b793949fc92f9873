"""Everything a person reads: report.html, decision.md, tables, figures and notebook.

In: everything derived, as one Summary of codes and numbers. Out: words (made in words/ only),
tables and pictures.
May import: every room of analysis but selfcheck.
"""
