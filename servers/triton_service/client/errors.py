"""Why there is no answer: one hierarchy, and every message is one sentence for the caller."""


class ClientError(Exception):
    """There is no answer."""


class UsageError(ClientError, ValueError):
    """What was given or asked for does not fit the model; nothing was sent."""


class UnknownModelError(ClientError):
    """The server does not serve such a model, or such a version of it."""


class RefusedError(ClientError):
    """Triton or the model does not accept the request."""


class BusyError(ClientError):
    """Triton takes no request now; it did not execute this one."""


class FailedError(ClientError):
    """The model failed at a request that Triton had accepted, or its process is dead."""


class LateError(ClientError):
    """The deadline passed; Triton may still be at work on the request."""


class UnreachableError(ClientError):
    """No Triton answers at the address; a request that was under way may have been executed."""


class AnswerError(ClientError):
    """The answer is not what the model's description promises."""


ANSWERED = (UnknownModelError, RefusedError, BusyError, FailedError, AnswerError)
"""After these Triton no longer works on the request."""
