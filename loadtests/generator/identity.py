"""Who answers at an address: asked before users by hand load it.

Works on gevent's event loop, in Locust's processes.
"""

import http.client
import json
import time
from collections import defaultdict
from urllib.parse import urlsplit

from gevent.lock import BoundedSemaphore

from loadtests.generator.clients.call import RequestFailedError
from loadtests.generator.clients.grpc_client import GrpcClient
from servers.discovery import Contender

ASK_WITHIN_S = 2.0
ASK_AGAIN_AFTER_S = 1.0

_METADATA = "/inference.GRPCInferenceService/ServerMetadata"
_HTTP_PLACES = (("/health/live", "contender"), ("/v2", "name"))
"""Where a contender says who it is, and Triton to those who took its HTTP port for another's."""
_READ_BYTES = 65_536


class UnreachableError(Exception):
    """Nobody answers there."""


def host_and_port(url: str, default_port: int) -> tuple[str, int]:
    """Of http://HOST:PORT, grpc://HOST:PORT or HOST:PORT."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    return parts.hostname or "127.0.0.1", parts.port or default_port


def contender_at(contender: Contender, url: str, within_s: float) -> str | None:
    """The name of who answers at url in the protocol of contender; None: it does not say."""
    host, port = host_and_port(url, contender.port)
    if contender.protocol == "http-json":
        return _http_name(host, port, within_s, secure=url.startswith("https:"))
    return _grpc_name(host, port, within_s)


def refusal(wanted: str, found: str | None, url: str) -> str | None:
    """Why users of one contender must not load who was found; None: they may."""
    if found is None or found == wanted:
        return None
    return (
        f"expected the contender {wanted} at {url}, found {found}: choose the user class of "
        f"{found}, or the --host at which {wanted} listens."
    )


class Targets:
    """Remembers who answers where, so that each is asked once a test and not by every user."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], str | None] = {}
        self._not_before_s: dict[tuple[str, str], float] = {}
        self._locks: defaultdict[tuple[str, str], BoundedSemaphore] = defaultdict(BoundedSemaphore)

    def refusal(self, contender: Contender, url: str, timeout_s: float) -> str | None:
        """As above; one that does not answer may be loaded, and is asked again later."""
        key = (contender.name, url)
        with self._locks[key]:
            if key not in self._found and time.monotonic() >= self._not_before_s.get(key, 0.0):
                try:
                    within_s = min(timeout_s, ASK_WITHIN_S)
                    self._found[key] = contender_at(contender, url, within_s)
                except UnreachableError:
                    self._not_before_s[key] = time.monotonic() + ASK_AGAIN_AFTER_S
        return refusal(contender.name, self._found.get(key), url)

    def forget(self) -> None:
        """For the next test: somebody else may listen there by then."""
        self._found.clear()
        self._not_before_s.clear()


def _http_name(host: str, port: int, within_s: float, secure: bool) -> str | None:
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    for path, key in _HTTP_PLACES:
        connection = kind(host, port, timeout=within_s)
        try:
            connection.request("GET", path)
            said = json.loads(connection.getresponse().read(_READ_BYTES))
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(str(error)) from error
        except ValueError:
            continue
        finally:
            connection.close()
        if isinstance(said, dict) and isinstance(said.get(key), str):
            return str(said[key])
    return None


def _grpc_name(host: str, port: int, within_s: float) -> str | None:
    from google.protobuf.message import DecodeError
    from tritonclient.grpc import service_pb2  # a quarter of a second, which HTTP users spare

    client = GrpcClient(host, port, within_s, _METADATA, {})
    try:
        reply = client.send(b"")
        return str(service_pb2.ServerMetadataResponse.FromString(reply).name) or None
    except RequestFailedError as error:
        if error.status in ("connection", "timeout"):
            raise UnreachableError(error.status) from error
        return None
    except DecodeError:
        return None
    finally:
        client.close()
