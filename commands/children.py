"""What the processes that a command starts get from it."""

import os

from servers.surroundings import child_environment


def let_children_find_this_project() -> None:
    """Servers, load generators and the notebook's kernel start from wherever a person stands."""
    os.environ.update(child_environment(os.environ))
