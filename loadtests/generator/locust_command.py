"""Locust's own command line, ready half a second sooner: `python -m` this module.

gevent asks the metadata of every installed package for plugins, once for each module it patches:
about thirty times the same answer, and most of the time that Locust needs to start.
"""

import functools
import importlib.metadata

setattr(importlib.metadata, "entry_points", functools.cache(importlib.metadata.entry_points))  # noqa: B010 - typed as a function

from locust.main import main  # noqa: E402 - importing it patches, see above

if __name__ == "__main__":
    main()
