"""Where study.py, which only names commands, has the folder for temporary files from."""

from loadtests.host.temporary import temporary_files

__all__ = ["temporary_files"]
