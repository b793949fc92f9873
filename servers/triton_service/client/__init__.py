"""A client for a Triton with several models: Router, and AsyncRouter for asyncio.

Pure functions decide what fits a model (spec, arrays, chain, waiting, causes), generators say what
is asked in which order (flows), and tritonclient's four clients carry it (wires). It knows Triton
and nothing of this study. docs/client-library.md says how it is used.
"""

from servers.triton_service.client.chain import Step
from servers.triton_service.client.errors import (
    AnswerError,
    BusyError,
    ClientError,
    FailedError,
    LateError,
    RefusedError,
    UnknownModelError,
    UnreachableError,
    UsageError,
)
from servers.triton_service.client.health import Health
from servers.triton_service.client.regions import Region
from servers.triton_service.client.router import AsyncRouter, Router
from servers.triton_service.client.spec import ModelSpec, TensorSpec
from servers.triton_service.client.waiting import Retry

__all__ = [
    "AnswerError",
    "AsyncRouter",
    "BusyError",
    "ClientError",
    "FailedError",
    "Health",
    "LateError",
    "ModelSpec",
    "RefusedError",
    "Region",
    "Retry",
    "Router",
    "Step",
    "TensorSpec",
    "UnknownModelError",
    "UnreachableError",
    "UsageError",
]
