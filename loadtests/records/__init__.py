"""The door between load and analysis: what a run was asked, its files, the window and the SLO rule.

In: values and rows of one trial. Out: the files of a run, and the same values read back and
checked. May import: host.
"""
