"""Ends a process that was started in a session of its own, and all that it started there."""

import os
import signal
import subprocess
from collections.abc import Iterable

import psutil

LEAVE_S = 3.0


def stop(process: psutil.Popen, within_s: float = 15.0) -> None:
    """Asks the process to stop, then kills it and every member of its family that stayed."""
    family = family_of(process)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(within_s)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            family |= family_of(process)
            process.kill()
            process.wait(within_s)
    # Those whose parent died belong to init now, and only the session still tells whose they were.
    family |= family_of(process)
    _send(family, signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=LEAVE_S)
    # multiprocessing's resource tracker ignores SIGTERM. It removes semaphores and shared memory
    # when the last of the others has ended, and ends then.
    trackers = {each for each in left if _is_tracker(each)}
    _send(set(left) - trackers, signal.SIGKILL)
    _, left = psutil.wait_procs(left, timeout=LEAVE_S)
    _send(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=LEAVE_S)


def family_of(process: psutil.Popen) -> set[psutil.Process]:
    """The descendants of the process, and what else is in its session; not itself."""
    return _descendants(process.pid) | _session(process)


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _session(process: psutil.Popen) -> set[psutil.Process]:
    # Its number goes to nobody else while a member of the session lives. Where somebody has it
    # after this process was waited for, no member was left, and the session is another one.
    if process.poll() is not None and psutil.pid_exists(process.pid):
        return set()
    found = set()
    for each in psutil.process_iter():
        try:
            if each.pid != process.pid and os.getsid(each.pid) == process.pid:
                found.add(each)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for each in processes:
        try:
            each.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _is_tracker(process: psutil.Process) -> bool:
    try:
        return "multiprocessing.resource_tracker" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
