"""What stops a bundle from being made."""


class BundleError(RuntimeError):
    """One sentence: what was expected, what was found, what to do."""
