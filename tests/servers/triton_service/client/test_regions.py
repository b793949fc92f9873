"""Tensors in shared memory, without a Triton: what the request says, and when a region is free."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from servers.triton_service.client import regions as module
from servers.triton_service.client.errors import (
    BusyError,
    ClientError,
    FailedError,
    LateError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from servers.triton_service.client.regions import Region, new_region
from servers.triton_service.client.spec import TensorSpec
from servers.triton_service.client.waiting import Deadline, Retry, Terms

from .played import ANSWER, PlayedTriton

NUMBERS = TensorSpec("Y", "INT64", (-1, -1))
TEXTS = TensorSpec("TEXT", "BYTES", (-1, 1))


@pytest.fixture
def region_of() -> Iterator[Callable[[int], Region]]:
    made: list[Region] = []

    def region_of(byte_size: int) -> Region:
        made.append(new_region(byte_size, "system"))
        return made[-1]

    yield region_of
    for region in made:
        region.destroy()
        assert not Path("/dev/shm", region.name).exists()


def test_numbers_and_texts_are_read_as_they_were_written(region_of: Any) -> None:
    numbers, texts = np.arange(4).reshape(1, 4), np.array([["ä".encode()], [b""]], object)
    region = region_of(64)
    assert region.write("", NUMBERS, numbers) == 32
    assert region.read(NUMBERS, (1, 4)).tolist() == numbers.tolist()
    assert region.write("", TEXTS, texts) == 4 + 2 + 4
    assert region.read(TEXTS, (2, 1)).tolist() == texts.tolist()
    assert region.read(NUMBERS, (0, 4)).shape == (0, 4)


def test_what_was_read_outlives_the_region() -> None:
    region = new_region(32, "system")
    region.write("", NUMBERS, np.arange(4).reshape(1, 4))
    found = region.read(NUMBERS, (1, 4))
    region.destroy()
    assert found.tolist() == [[0, 1, 2, 3]]


def test_triton_is_told_the_key_under_which_it_finds_the_region(region_of: Any) -> None:
    region = region_of(64)
    assert region.registration == (
        "register_system_shared_memory",
        (region.name, f"/{region.name}", 64),
    )
    assert region.removal == ("unregister_system_shared_memory", (region.name,))
    assert Path("/dev/shm", region.name).stat().st_size == 64


def test_a_tensor_with_a_region_is_not_sent(region_of: Any) -> None:
    region, triton = region_of(64), PlayedTriton()
    triton.infer(regions={"X": region})
    (sent,) = triton.inferred[0].args[1]
    assert sent._get_binary_data() is None
    assert sent._get_tensor()["parameters"] == {
        "shared_memory_region": region.name,
        "shared_memory_byte_size": 32,
    }


def test_an_output_with_a_region_is_read_from_it(region_of: Any) -> None:
    region, triton = region_of(64), PlayedTriton()
    region.write("", NUMBERS, np.full((1, 4), 9))
    assert triton.infer(regions={"Y": region})["Y"].tolist() == [[9, 9, 9, 9]]
    (wanted,) = triton.inferred[0].options["outputs"]
    assert wanted._get_tensor()["parameters"]["shared_memory_region"] == region.name


def unregister(triton: PlayedTriton, region: Region) -> None:
    terms = Terms(Deadline.starting_now(60))
    triton.drive(lambda flows: flows.unregister(region, terms))


def test_a_region_is_unregistered_when_triton_has_let_go_of_it(region_of: Any) -> None:
    class Lingering(PlayedTriton):
        def __call__(self, call: Any) -> Any:
            self.asked.append(call.method)
            if len(self.asked) < 3:
                raise FailedError("it is currently in use")

    triton = Lingering()
    unregister(triton, region_of(64))
    assert triton.asked == ["unregister_system_shared_memory"] * 3


def test_a_region_that_triton_may_still_work_in_is_not_unregistered(region_of: Any) -> None:
    region, triton = region_of(64), PlayedTriton(LateError("late"))
    with pytest.raises(LateError):
        triton.infer(regions={"X": region})
    unregister(triton, region)
    assert "unregister_system_shared_memory" not in triton.asked


def test_a_region_that_is_too_small_is_refused_and_free_again(region_of: Any) -> None:
    region, triton = region_of(31), PlayedTriton()
    for _ in range(2):
        with pytest.raises(UsageError) as refused:
            triton.infer(regions={"X": region})
        assert str(refused.value) == (
            "model 'echo', input 'X': expected 1 to 31 bytes for its region, found 32: make a "
            "larger region, or none where there is nothing."
        )
    assert triton.inferred == []


def test_a_region_for_two_tensors_at_once_is_refused(region_of: Any) -> None:
    region = region_of(64)
    with pytest.raises(UsageError, match=f"region '{region.name}': expected it to be free, found"):
        PlayedTriton().infer(regions={"X": region, "Y": region})
    PlayedTriton().infer(regions={"X": region})


@pytest.mark.parametrize("error", [LateError("late"), UnreachableError("gone")])
def test_a_region_that_triton_may_still_work_in_is_not_used_again(
    region_of: Any, error: ClientError
) -> None:
    region, triton = region_of(64), PlayedTriton(error, ANSWER)
    with pytest.raises(type(error)):
        triton.infer(regions={"X": region})
    with pytest.raises(UsageError, match="a request in it that Triton has not answered"):
        triton.infer(regions={"X": region})


def test_a_region_is_free_when_triton_has_refused_its_request(region_of: Any) -> None:
    region, triton = region_of(64), PlayedTriton(RefusedError("no"), ANSWER)
    with pytest.raises(RefusedError):
        triton.infer(regions={"X": region})
    assert triton.infer(regions={"X": region})["Y"].shape == (1, 4)


def test_with_a_region_only_what_triton_did_not_take_is_asked_again(region_of: Any) -> None:
    full = PlayedTriton(BusyError("full"), ANSWER)
    full.infer(regions={"X": region_of(64)}, retry=Retry())
    assert len(full.inferred) == 2
    lost = PlayedTriton(UnreachableError("gone"), ANSWER)
    with pytest.raises(UnreachableError):
        lost.infer(regions={"X": region_of(64)}, retry=Retry())
    assert len(lost.inferred) == 1


def test_a_region_for_a_tensor_that_there_is_not_is_refused(region_of: Any) -> None:
    with pytest.raises(UsageError, match="expected regions for tensors among X, Y, found Z: "):
        PlayedTriton().infer(regions={"Z": region_of(64)})


def test_a_region_of_no_bytes_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a region of at least 1 byte, found 0: "):
        new_region(0, "system")


def test_a_region_for_which_there_is_no_room_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=63))
    with pytest.raises(UsageError, match="expected 64 bytes free in /dev/shm, found 63: make a"):
        new_region(64, "system")


def test_a_cuda_region_is_refused_without_the_package_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tritonclient.utils.cuda_shared_memory", None)
    with pytest.raises(UsageError, match="expected CUDA device 0 for a CUDA region, found none"):
        new_region(64, "cuda")


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a CUDA device")
def test_a_cuda_region_is_refused_where_there_is_no_device() -> None:
    with pytest.raises(UsageError) as refused:
        new_region(64, "cuda")
    assert str(refused.value).startswith("expected CUDA device 0 for a CUDA region, found none (")
    assert str(refused.value).endswith('): use a region of kind "system".')


def test_a_cuda_region_is_told_to_triton_by_its_raw_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    played = SimpleNamespace(
        create_shared_memory_region=lambda name, byte_size, device_id: (name, byte_size, device_id),
        get_raw_handle=lambda handle: b"raw",
    )
    monkeypatch.setitem(sys.modules, "tritonclient.utils.cuda_shared_memory", played)  # type: ignore[arg-type]
    region = new_region(64, "cuda", device_id=1)
    assert region.registration == ("register_cuda_shared_memory", (region.name, b"raw", 1, 64))
    assert region.removal == ("unregister_cuda_shared_memory", (region.name,))
