"""`study ui`: contenders kept up for a person with a browser, and comparisons asked for there.

In: what the web UI's process asks (generator.ui_locustfile). Out: answers, and ordinary runs.
May import: run and what it imports.
"""
