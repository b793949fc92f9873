"""Reads what is named on the command line into values; all that a rule sees comes from here."""
