"""This machine: its cores, GPU, locks, temporary files and child processes.

In: nothing. Out: what Linux and NVML say, and folders and processes that end with the study.
May import: servers.
"""
