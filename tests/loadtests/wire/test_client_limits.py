"""What this machine runs out of is the client's failure, wherever it happens."""

import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import gevent.socket
import grpc
import pytest

from analysis.validity.certificate import certify_failure
from analysis.validity.reasons import Reason
from loadtests.generator.clients import http_client as http_client_module
from loadtests.generator.clients.call import RequestFailedError
from loadtests.generator.clients.gevent_socket import Connection
from loadtests.generator.clients.grpc_client import GrpcClient
from loadtests.generator.clients.http_client import HttpClient
from loadtests.records.experiment import LoadSpec
from loadtests.records.trials import CLIENT_LIMIT, Level, TrialRecord
from loadtests.run.os_limits import OsLimits, limits_in_force, most_connections, shortages
from loadtests.spec.experiment import CapacitySpec, Experiment
from loadtests.wire.address import Address
from loadtests.wire.client_limits import REMEDIES, exhausted, exhausted_in, failure_status
from loadtests.wire.formats import GRPC_METHOD
from loadtests.wire.probe import ProbeError, open_probe

SHORTAGES = sorted(REMEDIES)


def named(number: int) -> str:
    return errno.errorcode[number]


@contextmanager
def no_more_files() -> Iterator[None]:
    """As many open files as there are now, and none more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("protocol", ["http-json", "kserve-grpc"])
def test_a_client_without_descriptors_blames_no_server(
    protocol: str, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    client = (
        HttpClient("127.0.0.1", port, 5.0, "/predict", {})
        if protocol == "http-json"
        else GrpcClient("127.0.0.1", port, 5.0, GRPC_METHOD, {})
    )
    gevent.sleep(0)  # its hub opens files, too
    with no_more_files(), pytest.raises(RequestFailedError) as failed:
        client.send(b"{}")
    client.close()
    assert failed.value.status == CLIENT_LIMIT


@pytest.mark.parametrize("number", SHORTAGES, ids=named)
def test_every_shortage_while_connecting_is_the_client_s(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(gevent.socket, "create_connection", refuse)
    with pytest.raises(RequestFailedError) as failed:
        Connection("127.0.0.1", 1, 1.0, lambda data: None)
    assert failed.value.status == CLIENT_LIMIT


class _Broken:
    """A socket that has no memory to send or to receive with."""

    def __init__(self, real: socket.socket, failing: str) -> None:
        self._real = real
        self._failing = failing

    def __getattr__(self, name: str) -> object:
        return self._fail if name == self._failing else getattr(self._real, name)

    def _fail(self, *_: object) -> None:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


@pytest.mark.parametrize("failing", ["send", "recv"])
def test_a_connection_that_breaks_for_want_of_memory_is_the_client_s_failure(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connected(*arguments: object) -> Connection:
        made = Connection(*arguments)  # type: ignore[arg-type]
        made._socket = _Broken(made._socket, failing)  # type: ignore[assignment]
        return made

    monkeypatch.setattr(http_client_module, "Connection", connected)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = HttpClient("127.0.0.1", server.getsockname()[1], 5.0, "/", {})
        call = gevent.spawn(_status, client)
        if failing == "recv":
            with gevent.get_hub().threadpool.apply(server.accept)[0] as accepted:
                accepted.sendall(b"HTTP/1.1 200 OK\r\n")
                assert call.get(timeout=10) == CLIENT_LIMIT
        assert call.get(timeout=10) == CLIENT_LIMIT
        client.close()


def _status(client: HttpClient) -> str:
    try:
        client.send(b"{}")
    except RequestFailedError as error:
        return error.status
    return "ok"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        socket.gaierror(socket.EAI_NONAME, "unknown"),
        OSError(errno.EHOSTUNREACH, "unreachable"),
    ],
)
def test_a_server_that_is_not_there_is_its_own_failure(error: OSError) -> None:
    assert failure_status(error) == "connection"


def test_a_resolver_without_memory_and_a_full_memory_are_the_client_s() -> None:
    assert failure_status(socket.gaierror(socket.EAI_SYSTEM, "system")) == CLIENT_LIMIT
    assert failure_status(MemoryError()) == CLIENT_LIMIT
    assert exhausted(TimeoutError(errno.ETIMEDOUT, "late")) is None


def test_grpc_s_words_for_a_shortage_are_understood() -> None:
    assert exhausted_in("ipv4:127.0.0.1:8001: socket: Too many open files (24)") == errno.EMFILE
    assert exhausted_in("connect: Cannot assign requested address") == errno.EADDRNOTAVAIL
    assert exhausted_in("Connection refused") is None
    assert exhausted_in("Resource temporarily unavailable") is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRNOTAVAIL], ids=named)
def test_a_probe_for_which_this_machine_has_no_more_is_no_failure_of_the_contender(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_connection", refuse)
    with (
        pytest.raises(OSError, match=os.strerror(number)) as failed,
        open_probe(Address("http-json", "127.0.0.1", 1)) as probe,
    ):
        probe.predict("hello")
    assert not isinstance(failed.value, ProbeError)


class _Unavailable(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "failed to connect: Too many open files"


def test_neither_is_one_over_grpc() -> None:
    with (
        pytest.raises(OSError, match="Too many open"),
        open_probe(Address("kserve-grpc", "127.0.0.1", 1)),
    ):
        raise _Unavailable


def test_a_child_may_open_as_many_files_as_the_hard_limit_says() -> None:
    code = (
        "import os, resource, sys; from servers.confine import confined\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 300))\n"
        "command = confined([sys.executable, '-c', "
        "'import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))'], ())\n"
        "os.execv(command[0], command)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["300", "300"]


def test_a_load_generator_that_failed_takes_no_contender_out() -> None:
    failed = TrialRecord(
        *("t", "measurement", {"name": "a"}, Level("open", 30), 1, 1, "failed"),
        reason="no rows",
        client_failed=True,
    )
    (check,) = certify_failure(failed)
    assert (check.reason, check.text) == (Reason.NOT_MEASURED, "no rows")


def experiment(**load: object) -> Experiment:
    return Experiment(
        name="t",
        reference="a",
        contenders=("a",),
        load=LoadSpec(**load),
        capacity=CapacitySpec(start_rps=20, max_rps=40) if not load else None,
    )


@pytest.mark.parametrize(
    ("load", "n"),
    [
        ({"rates_rps": (30,), "request_timeout_s": 2}, 60),
        ({"rates_rps": (1000,), "workers": 2}, 4096),
        ({"concurrency": (3000,)}, 3000),
        ({}, 400),
    ],
)
def test_the_connections_planned_are_those_that_a_server_which_hangs_would_leave_open(
    load: dict[str, object], n: int
) -> None:
    assert most_connections(experiment(**load)) == n


PLENTY = OsLimits(20_000, None, (32_768, 60_999))


def test_limits_that_do_not_suffice_are_said_in_a_sentence_each() -> None:
    planned = experiment(rates_rps=(1000,))
    assert list(shortages(planned, PLENTY)) == []
    assert list(shortages(planned, OsLimits(None, None, None))) == []
    (files,) = shortages(planned, OsLimits(256, None, PLENTY.ephemeral_ports))
    assert files.startswith(
        "Up to 2,048 connections at once are planned, and a process may have 256"
    )
    (ports,) = shortages(planned, OsLimits(20_000, None, (50_000, 50_099)))
    assert "there are 100 local ports here" in ports


def test_the_limits_in_force_are_the_process_s_hard_ones() -> None:
    found = limits_in_force()
    assert found.open_files in (None, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
