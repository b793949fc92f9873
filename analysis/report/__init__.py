"""Everything a person reads: report.html, decision.md, tables, figures and notebook.

In: everything derived, as one Summary. Out: words, tables and pictures.
May import: every room of analysis but selfcheck.
"""
