"""Commands in the test's own process."""

import commands.common  # noqa: F401  # rich reads COLUMNS when a console is made: before a test sets it
