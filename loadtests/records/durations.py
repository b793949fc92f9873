"""Lengths of time as people read them."""


def clock(length_s: float) -> str:
    """Minutes and seconds, as 8:05."""
    minutes, rest_s = divmod(round(length_s), 60)
    return f"{minutes}:{rest_s:02d}"
