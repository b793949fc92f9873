"""Answers at once without a model: the ceiling of a load generator, not of a server."""
