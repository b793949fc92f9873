"""How long a contender that does not answer yet is waited for."""

GIVE_UP_AFTER_S = 20.0
"""Of nothing but definite refusals: what will not answer after that will not answer at all."""


class Patience:
    """Decides after each failed canary; clocks are the caller's."""

    def __init__(self, within_s: float, now_s: float) -> None:
        self._within_s = within_s
        self._deadline_s = now_s + within_s
        self._refused_since_s: float | None = None

    def ends(self, definite: bool, now_s: float) -> str | None:
        """What the contender did, once it is waited for no longer. A definite refusal is one
        that no waiting changes; any other failure begins the count of them anew."""
        if not definite:
            self._refused_since_s = None
        elif self._refused_since_s is None:
            self._refused_since_s = now_s
        elif now_s - self._refused_since_s >= GIVE_UP_AFTER_S:
            return f"refused every canary inference for {GIVE_UP_AFTER_S:g} s"
        if now_s > self._deadline_s:
            return f"did not answer a canary inference within {self._within_s:g} s"
        return None
