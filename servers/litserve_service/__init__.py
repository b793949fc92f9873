"""The classifier behind LitServe: dynamic batching without leaving Python."""
