"""Nothing of a stopped process stays, also where its main process had died before."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from loadtests.host import process_group
from loadtests.host.process_group import stop

WITH_A_CHILD = """
import subprocess, sys, time
code = '''
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(600)
'''
subprocess.Popen([sys.executable, "-c", code], **OPTIONS)
time.sleep(600)
"""
WITH_A_SEMAPHORE = """
import multiprocessing, sys, time

def work(lock):
    time.sleep(600)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    lock = spawn.Lock()
    worker = spawn.Process(target=work, args=(lock,))
    worker.start()
    print(worker.pid, flush=True)
    print(lock._semlock.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch,  # what a test changes holds until these are stopped
) -> Iterator[Callable[..., tuple[psutil.Popen, psutil.Process]]]:
    """A process in a session of its own, and the child whose pid is printed."""
    started: list[psutil.Popen] = []

    def begin(*command: str) -> tuple[psutil.Popen, psutil.Process]:
        process = psutil.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process, psutil.Process(int(process.stdout.readline()))

    yield begin
    for process in started:
        stop(process, within_s=0.5)
        process.stdout.close()


@pytest.mark.parametrize("dies_before", [True, False])
@pytest.mark.parametrize("options", ["", "process_group=0"])
def test_a_child_that_will_not_leave_goes_with_its_main_process(
    dies_before: bool, options: str, start, alive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_group, "LEAVE_S", 0.1)
    code = WITH_A_CHILD.replace("**OPTIONS", options)
    process, child = start("-c", code)
    if dies_before:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert alive([child]) == [child]
    stop(process)
    assert alive([child]) == []


def test_the_semaphores_of_a_main_process_that_died_go_with_its_workers(
    start, alive, tmp_path: Path
) -> None:
    script = tmp_path / "service.py"
    script.write_text(WITH_A_SEMAPHORE, encoding="utf-8")
    process, worker = start(str(script))
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    semaphore = Path("/dev/shm") / f"sem.{process.stdout.readline().strip().removeprefix('/')}"
    assert semaphore.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    stop(process)
    assert alive([worker, *family]) == []
    assert not semaphore.exists()
