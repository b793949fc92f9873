"""Every contender must give the same answers: compared before the load and sampled during it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from loadtests.generator.schedule import Schedule
from loadtests.generator.slice_order import ANSWER_SAMPLE_EVERY
from loadtests.launch.warm_up import warm_up
from loadtests.records.trials import ParityRecord
from loadtests.spec.external import ExternalContender
from loadtests.wire.address import Address
from loadtests.wire.formats import Answer
from loadtests.wire.probe import TIMEOUT_S, ProbeError, open_probe
from loadtests.wire.texts import TrafficText
from servers.contract import LENGTH_BUCKETS, BatchItem, bucket_length
from servers.discovery import Contender

PER_BUCKET = 6

OWN_TEXTS = 40
"""Texts that a service with a model of its own is asked before each load."""

REFUSALS = 10
"""That are tolerated while one contender is asked: one request at a time is no load, but what
sheds late requests may take a pause of the machine for one."""

PAUSE_AFTER_REFUSAL_S = 0.2

NO_MODEL_ANSWER = BatchItem(label="null", confidence=1.0)
"""The right answer to every text of a contender that runs no model (engine "none")."""


@dataclass(frozen=True)
class ParityComparison:
    text: TrafficText
    answer: Answer

    @property
    def confidence_gap(self) -> float | None:
        if self.answer.confidence is None:
            return None
        return abs(self.answer.confidence - self.text.confidence)

    def agrees(self, tolerance: float | None) -> bool:
        """tolerance None: only the labels are compared.

        Where the reference itself gives two labels the same confidence but for what the tolerance
        lets each of them move, either is right: half precision turns such ties.
        """
        gap = self.confidence_gap
        close = tolerance is None or gap is None or gap <= tolerance
        tied = tolerance is not None and self.text.margin <= 2 * tolerance
        return close and (tied or self.answer.label == self.text.label)


@dataclass(frozen=True)
class ExpectedAnswers:
    """The answers a contender must give during a load, by text_id, and what was compared before it.

    tolerance None: only labels are compared, and with the contender's own earlier answers.
    """

    expected: Mapping[int, TrafficText]
    before: Sequence[ParityComparison]
    tolerance: float | None

    def judge(self, rows: pd.DataFrame) -> ParityRecord:
        """The answers of before and those that rows kept."""
        return judge([*self.before, *sampled_answers(rows, self.expected)], self.tolerance)


def expected_answers(contender: Contender, traffic: Sequence[TrafficText]) -> list[TrafficText]:
    """The traffic with the answers this contender must give; empty where none are known before it
    is asked, see answers_before_load."""
    if isinstance(contender, ExternalContender) and not contender.compare:
        return []
    if contender.engine != "none":
        return list(traffic)
    return [
        replace(
            text, label=NO_MODEL_ANSWER.label, confidence=NO_MODEL_ANSWER.confidence, margin=1.0
        )
        for text in traffic
    ]


def parity_texts(traffic: Sequence[TrafficText], per_bucket: int = PER_BUCKET) -> list[TrafficText]:
    """The first few texts of each length bucket: padding errors show in some lengths only."""
    chosen: list[TrafficText] = []
    for bucket in LENGTH_BUCKETS:
        within = [text for text in traffic if bucket_length(text.n_tokens) == bucket]
        chosen += within[:per_bucket]
    return chosen


def judge(compared: Iterable[ParityComparison], tolerance: float | None) -> ParityRecord:
    """How many answers differ from the expected in label, or in confidence by over tolerance."""
    everything = list(compared)
    wrong = [pair for pair in everything if not pair.agrees(tolerance)]
    gaps = [pair.confidence_gap for pair in everything if pair.confidence_gap is not None]
    return ParityRecord(
        checked=len(everything),
        mismatches=len(wrong),
        max_confidence_gap=max(gaps, default=None) if tolerance is not None else None,
        example=_example(wrong[0], tolerance) if wrong else None,
        against="consistency" if tolerance is None else "reference",
    )


def _example(pair: ParityComparison, tolerance: float | None) -> str:
    text, answer = pair.text, pair.answer
    if tolerance is None:
        return f"text {text.text_id}: {text.label} before, {answer.label} later, for the same text"
    found = "" if answer.confidence is None else f" {answer.confidence:.4f}"
    return (
        f"text {text.text_id}: expected {text.label} {text.confidence:.4f}, "
        f"found {answer.label}{found}"
    )


def check_answers(address: Address, traffic: Sequence[TrafficText]) -> list[ParityComparison]:
    """Warms the contender up, then asks it for the parity texts, one by one."""
    warm_up(address, [text.text for text in parity_texts(traffic, per_bucket=1)])
    return _compared(address, parity_texts(traffic))


def _compared(
    address: Address, texts: Sequence[TrafficText], timeout_s: float = TIMEOUT_S
) -> list[ParityComparison]:
    """The answer to each text; one that is refused for want of time or room is asked for again."""
    compared: list[ParityComparison] = []
    n_refusals = 0
    while True:
        try:
            with open_probe(address, timeout_s) as probe:
                for text in texts[len(compared) :]:
                    compared.append(ParityComparison(text, probe.predict(text.text)))
            return compared
        except ProbeError as error:
            n_refusals += 1
            if not error.refused or n_refusals > REFUSALS:
                raise
        time.sleep(PAUSE_AFTER_REFUSAL_S)


def answers_before_load(
    address: Address, schedule: Schedule, traffic: Sequence[TrafficText], timeout_s: float
) -> ExpectedAnswers:
    """What a service with a model of its own answers before the load, asked twice.

    It is asked texts whose answers will be kept during the load, so that there is something to
    compare.
    """
    ids = schedule.text_ids[::ANSWER_SAMPLE_EVERY]
    if len(schedule.times_s) > OWN_TEXTS * ANSWER_SAMPLE_EVERY:
        # Spread over the whole load; a closed loop has no known end, and is asked its first ones.
        ids = ids[np.linspace(0, len(ids) - 1, OWN_TEXTS).astype(int)]
    texts = [traffic[text_id] for text_id in dict.fromkeys(ids[:OWN_TEXTS].tolist())]
    first = _compared(address, texts, timeout_s)
    expected = [replace(pair.text, label=pair.answer.label) for pair in first]
    before = _compared(address, expected, timeout_s)
    return ExpectedAnswers({text.text_id: text for text in expected}, before, tolerance=None)


def sampled_answers(
    rows: pd.DataFrame, expected: Mapping[int, TrafficText]
) -> list[ParityComparison]:
    """The answers kept during the load, of the texts in expected."""
    kept = rows.dropna(subset=["label"])
    columns = (kept[name].tolist() for name in ("text_id", "label", "confidence"))
    return [
        ParityComparison(
            expected[text_id], Answer(label, None if np.isnan(confidence) else confidence)
        )
        for text_id, label, confidence in zip(*columns, strict=True)
        if text_id in expected
    ]
