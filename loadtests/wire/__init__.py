"""How a text is asked and an answer is read, one module a protocol or concern.

In: a text and a server's address. Out: request bytes, and a label with its confidence.
May import: records.
"""
