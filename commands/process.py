"""What the process of every command has, and what its children get from it."""

import os

from loadtests.host.temporary import temporary_files
from servers.surroundings import child_environment

__all__ = ["let_children_find_this_project", "temporary_files"]


def let_children_find_this_project() -> None:
    """Servers, load generators and the notebook's kernel start from wherever a person stands."""
    os.environ.update(child_environment(os.environ))
