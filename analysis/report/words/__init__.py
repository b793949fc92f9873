"""The one place where the words of the report are made, from the codes and numbers of a summary."""
