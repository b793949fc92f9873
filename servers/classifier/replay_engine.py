"""A simulated device: passes take what a device curve says, answers are looked up."""

import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.classifier.answers import NoAnswersError, ReferenceAnswers, read_answers
from servers.classifier.exact_time import CpuBurner, ExactWait
from servers.device_curve import CurveError, DeviceCurve, curve_named
from servers.device_queue import DeviceQueue, shared_file
from servers.engines import EngineName
from servers.placement import CPU, EngineUnavailableError, Placement

_NOTICED_S = 10e-6
"""What the clocks and their rounding take is no delay."""


@dataclass(frozen=True)
class _Begun:
    """When the host's part of a pass began, by the clock and by the CPU time of the thread, and how
    much CPU time it is. What the engine itself uses, for look-ups, is part of it."""

    at_s: float
    cpu_s: float
    host_s: float


class SimulatedDevice:
    """One pass at a time, of all who share its queue. The host's part of a pass is used on the
    caller's core, without the GIL; the rest is waited for with neither. What keeps the host from
    running, another program or the GIL, delays the pass, as it would delay its launches."""

    def __init__(self, curve: DeviceCurve, answers: ReferenceAnswers, queue: DeviceQueue) -> None:
        self._curve = curve
        self._answers = answers
        self._queue = queue
        self._burner = CpuBurner()
        self._wait = ExactWait()
        self._times_s = lru_cache(maxsize=None)(self._of_curve)

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """UnknownTextError where an answer is not known: the device has done nothing then."""
        asked_s, cpu_s = time.monotonic(), time.thread_time()
        logits = self._answers.of(input_ids, attention_mask)
        pass_s, host_s = self._times_s(*input_ids.shape)
        reserved = self._queue.reserve(asked_s, pass_s)
        begun = _Begun(asked_s, cpu_s, host_s)
        if reserved.begin_s > asked_s + _NOTICED_S:
            used_s = time.thread_time() - cpu_s
            self._wait.until(reserved.begin_s)
            begun = _Begun(time.monotonic(), time.thread_time(), host_s - used_s)
        late_s = self._use_host(begun) if host_s else 0.0
        if late_s:
            self._queue.delay(late_s)
        self._wait.until(reserved.begin_s + pass_s + late_s)
        taken_s = time.monotonic() - reserved.begin_s
        self._queue.finished(reserved.number, pass_s + late_s, taken_s)
        return logits

    def _use_host(self, begun: _Begun) -> float:
        """Uses what is left of the host's part; how long the thread was kept from it in all."""
        self._burner.until(begun.cpu_s + begun.host_s)
        used_s = time.thread_time() - begun.cpu_s
        kept_s = time.monotonic() - begun.at_s - used_s
        return kept_s if kept_s > _NOTICED_S else 0.0

    def _of_curve(self, batch_size: int, length_tokens: int) -> tuple[float, float]:
        curve = self._curve
        return curve.pass_s(batch_size, length_tokens), curve.host_s(batch_size, length_tokens)


class ReplayEngine(SimulatedDevice):
    """The device that placement.curve names; threads make no difference to it. Its device,
    precision and version say that it is simulated."""

    name: EngineName = "replay"

    def __init__(self, model_dir: Path, threads: int, placement: Placement = CPU) -> None:
        curve = named_curve(placement)
        try:
            answers = read_answers(model_dir)
        except NoAnswersError as error:
            raise EngineUnavailableError(str(error)) from error
        super().__init__(curve, answers, DeviceQueue(shared_file(os.environ)))
        self.device = f"simulated {curve.device}"
        self.precision = f"simulated {curve.precision}"
        self.made_by = curve.label


def named_curve(placement: Placement) -> DeviceCurve:
    """The curve to replay; EngineUnavailableError where none is named, or it cannot be read."""
    if not placement.curve:
        raise EngineUnavailableError(
            "expected the name or path of a device curve for the engine replay, found none: set "
            "the option curve."
        )
    try:
        return curve_named(placement.curve)
    except CurveError as error:
        raise EngineUnavailableError(str(error)) from error
