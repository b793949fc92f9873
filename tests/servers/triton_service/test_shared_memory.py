"""Too little shared memory is a sentence before Triton starts, not a segmentation fault after."""

import subprocess
from pathlib import Path

import pytest

from loadtests.launch.server import free_ports
from servers.triton_service import process
from servers.triton_service.process import (
    SHARED_MEMORY_BYTES,
    Ports,
    TritonError,
    TritonServer,
    require_shared_memory,
)


def test_a_small_shared_memory_is_refused_with_what_is_needed_and_found(tmp_path: Path) -> None:
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        with pytest.raises(TritonError, match=r"expected 8 MiB free in .*, found 1\.0 MiB: make"):
            require_shared_memory(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_docker_gives_a_container_is_enough() -> None:
    assert SHARED_MEMORY_BYTES <= 64 * 2**20 // 2


def test_no_server_is_started_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SHARED_MEMORY_DIR", tmp_path / "none")
    server = TritonServer(tmp_path, tmp_path / "work", Ports(grpc=free_ports(()).main))
    with pytest.raises(TritonError, match="for Triton's Python models, found 0.0 MiB"), server:
        pass
    assert not (tmp_path / "work").exists()
