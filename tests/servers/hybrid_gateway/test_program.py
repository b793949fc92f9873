"""The gateway as a program: its end, its workers, its TLS. Triton is played here."""

import json
import signal
import ssl
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from .played import TEXT, FakeTriton, until

pytestmark = pytest.mark.live

Start = Callable[..., Any]


def test_a_drain_first_says_so_and_after_a_second_signal_finishes_what_is_under_way(
    start_gateway: Start, played_triton: FakeTriton
) -> None:
    """test_gateway has a notice that ends by itself."""
    gateway = start_gateway(drain_notice_ms=600_000, deadline_ms=10_000)
    played_triton.released.clear()
    played_triton.n_asked = 0
    try:
        with ThreadPoolExecutor(1) as caller:
            under_way = caller.submit(gateway.send, "/predict", TEXT)
            until(lambda: played_triton.n_asked >= 1)
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: gateway.send("/health/ready")[0] == 503)
            assert gateway.send("/health/live")[0] == 200  # it still answers
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: not _connects(gateway))
            played_triton.released.set()
            assert under_way.result()[0] == 200
    finally:
        played_triton.released.set()
    assert gateway.process.wait(30) == 0
    assert "Traceback" not in gateway.log.read_text(errors="replace")


def _connects(gateway: Any) -> bool:
    try:
        gateway.send("/health/live")
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def several(start_gateway: Start) -> Callable[[], Any]:
    """A gateway of two workers, both there; started again after a test that ended it."""
    started: list[Any] = []

    def running() -> Any:
        if not started or started[-1].process.poll() is not None:
            started.append(start_gateway(workers=2, access_log=True))
        until(lambda: len(_workers(started[-1])) == 2)
        return started[-1]

    return running


def test_workers_share_a_port_counters_and_metrics(several: Callable[[], Any]) -> None:
    gateway, n = several(), 40
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: gateway.send("/predict", TEXT)[0], range(n)))
    assert answers == [200] * n

    until(lambda: gateway.send("/stats")[1]["requests_ok"] == n)
    with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    assert (
        'http_server_request_duration_seconds_count{code="200",contender="hybrid",route="/predict"}'
        f" {n}.0"
    ) in text
    until(lambda: gateway.log.read_text().count('"path": "/predict"') == n)


def test_a_worker_that_dies_is_started_again(several: Callable[[], Any]) -> None:
    gateway = several()
    dead = _workers(gateway)[0]
    dead.kill()
    until(lambda: len(_workers(gateway)) == 2 and dead.pid not in _pids(gateway))
    until(lambda: _connects(gateway) and gateway.is_ready())


def test_workers_end_together(several: Callable[[], Any], alive: Any) -> None:
    gateway = several()
    processes = gateway.descendants()
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    until(lambda: alive(processes) == [])


def _workers(gateway: Any) -> list[psutil.Process]:
    return [process for process in gateway.descendants() if _is_worker(process)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie
        return False


def _pids(gateway: Any) -> set[int]:
    return {process.pid for process in _workers(gateway)}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """One that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now, day = datetime.now(UTC), timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    paths = (tmp_path / "certificate.pem", tmp_path / "key.pem")
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_with_a_certificate_the_gateway_speaks_tls(
    start_contender: Start, played_triton: FakeTriton, certificate: tuple[Path, Path]
) -> None:
    started = start_contender(
        "hybrid",
        triton_url=f"127.0.0.1:{played_triton.port}",
        tls_certificate=str(certificate[0]),
        tls_key=str(certificate[1]),
    )
    context = ssl.create_default_context(cafile=str(certificate[0]))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    url = f"https://127.0.0.1:{started.ports.main}/predict"
    request = urllib.request.Request(
        url, json.dumps(TEXT).encode(), {"content-type": "application/json"}
    )

    def is_answered() -> bool:
        try:
            with opener.open(request, timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    started.when(is_answered)
