"""Stops asking a Triton that fails request after request.

The pulse finds a Triton that is gone: its canary fails. This finds one that answers canaries and
fails what is asked of it, where each caller would wait for his deadline in vain. It is small enough
to be its own: the libraries wrap calls, count with a clock of their own, and know no asyncio
cancellation.
"""

from collections.abc import Callable


class Breaker:
    """Closed until n_failures come in a row; then open, and one request each open_s goes through to
    see. The first answer closes it. on_change is called with whether it is open now."""

    def __init__(
        self,
        n_failures: int,
        open_s: float,
        on_change: Callable[[bool], object] = lambda _: None,
    ) -> None:
        self._n_failures = n_failures
        self._open_s = open_s
        self._on_change = on_change
        self._in_a_row = 0
        self._next_trial_s = 0.0

    @property
    def is_open(self) -> bool:
        return self._in_a_row >= self._n_failures

    def wait_s(self, now_s: float) -> float:
        """0: the request may go on; else when one may again. Where nobody says how a trial ended,
        there is another one all the same."""
        if not self.is_open:
            return 0.0
        if now_s < self._next_trial_s:
            return self._next_trial_s - now_s
        self._next_trial_s = now_s + self._open_s
        return 0.0

    def answered(self) -> None:
        was_open, self._in_a_row = self.is_open, 0
        if was_open:
            self._on_change(False)

    def failed(self, now_s: float) -> None:
        was_open = self.is_open
        self._in_a_row += 1
        if self.is_open and not was_open:
            self._next_trial_s = now_s + self._open_s
            self._on_change(True)
