"""A share as a reader sees it."""


def percent(share: float, digits: int = 0) -> str:
    """In percent, with a space before the sign: 2.0 %."""
    return f"{100 * share:.{digits}f} %"
