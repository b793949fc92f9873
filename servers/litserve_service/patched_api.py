"""The same classifier for the patched LitServe: its worker ends with it, and can be probed."""

import multiprocessing
import signal

from servers.classifier import Encoded, EngineUnavailableError, Prediction
from servers.confine import end_with_parent
from servers.contract import LENGTH_BUCKETS, MIN_LENGTH_TOKENS
from servers.launch_args import refuse_to_start
from servers.litserve_service.api import ModelApi
from servers.litserve_service.spec import Query


class PatchedApi(ModelApi):
    """Requests and answers pass through as they are: the routes of its spec make them."""

    def setup(self, device: str) -> None:
        end_with_main_process()
        try:
            super().setup(device)
        except EngineUnavailableError as error:
            refuse_to_start(error)

    def probe(self) -> None:
        """One forward pass of nobody's text; it is not counted."""
        self._classifier.predict(["probe"], MIN_LENGTH_TOKENS, LENGTH_BUCKETS)

    def decode_request(self, request: Query) -> Encoded:
        return self._classifier.encode([request.text], request.max_length)

    def encode_response(self, output: Prediction) -> Prediction:
        return output


def end_with_main_process() -> None:
    """Ends this process of LitServe when its main process is killed, even while it is stopped."""
    main = multiprocessing.parent_process()
    if main is not None and main.pid is not None:
        end_with_parent(main.pid, signal.SIGKILL)
