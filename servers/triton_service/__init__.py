"""Triton Inference Server as a contender: its model repository, its process, its start-up."""
