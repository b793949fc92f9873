"""When the launcher believes that every model of a started Triton answers."""

from types import SimpleNamespace
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from servers.triton_service import __main__ as module
from servers.triton_service.process import TritonError

FULL = InferenceServerException("Exceeds maximum queue size", "StatusCode.UNAVAILABLE")
BROKEN = InferenceServerException("stub process is not healthy", "StatusCode.INTERNAL")


def ask(monkeypatch: pytest.MonkeyPatch, *outcomes: Exception | None, ended: bool = False) -> int:
    """How many of the outcomes, one a request, it took until the canary had its answer."""
    left = list(outcomes)

    class Client:
        def __init__(self, *_: Any, **__: Any) -> None: ...
        def __enter__(self) -> "Client":
            return self

        def __exit__(self, *_: object) -> None: ...
        def infer(self, *_: Any, **__: Any) -> None:
            if outcome := left.pop(0):
                raise outcome

    monkeypatch.setattr(module, "InferenceServerClient", Client)
    monkeypatch.setattr(module, "POLL_S", 0)
    module.answer_canary(SimpleNamespace(grpc_url="", has_ended=lambda: ended))  # type: ignore[arg-type]
    return len(outcomes) - len(left)


def test_a_queue_that_callers_have_filled_is_no_fault_of_triton(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ask(monkeypatch, FULL, FULL, None) == 3


@pytest.mark.parametrize(("outcome", "ended"), [(BROKEN, False), (FULL, True)])
def test_any_other_refusal_ends_the_start_at_once(
    monkeypatch: pytest.MonkeyPatch, outcome: Exception, ended: bool
) -> None:
    with pytest.raises(TritonError, match="expected an answer to a first text, found: "):
        ask(monkeypatch, outcome, None, ended=ended)
