"""Every contender must give the same answers: compared before the load and sampled during it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from loadtests.probe import Address, open_probe
from loadtests.records import ParityRecord
from loadtests.traffic import TrafficText
from servers.contract import LENGTH_BUCKETS, BatchItem, bucket_length

PER_BUCKET = 6


@dataclass(frozen=True)
class Compared:
    text: TrafficText
    answer: BatchItem

    @property
    def confidence_gap(self) -> float:
        return abs(self.answer.confidence - self.text.confidence)

    def agrees(self, tolerance: float) -> bool:
        return self.answer.label == self.text.label and self.confidence_gap <= tolerance


def parity_texts(traffic: Sequence[TrafficText]) -> list[TrafficText]:
    """The first few texts of each length bucket: padding errors show in some lengths only."""
    chosen: list[TrafficText] = []
    for bucket in LENGTH_BUCKETS:
        within = [text for text in traffic if bucket_length(text.n_tokens) == bucket]
        chosen += within[:PER_BUCKET]
    return chosen


def judge(compared: Iterable[Compared], tolerance: float) -> ParityRecord:
    """How many answers differ from the reference in label, or in confidence by over tolerance."""
    everything = list(compared)
    wrong = [pair for pair in everything if not pair.agrees(tolerance)]
    example = None
    if wrong:
        pair = wrong[0]
        example = (
            f"text {pair.text.text_id}: expected {pair.text.label} {pair.text.confidence:.4f}, "
            f"found {pair.answer.label} {pair.answer.confidence:.4f}"
        )
    return ParityRecord(
        checked=len(everything),
        mismatches=len(wrong),
        max_confidence_gap=max((pair.confidence_gap for pair in everything), default=0.0),
        example=example,
    )


def check_answers(address: Address, traffic: Sequence[TrafficText]) -> list[Compared]:
    """Asks the contender for the parity texts, one by one."""
    with open_probe(address) as probe:
        return [Compared(text, probe.predict(text.text)) for text in parity_texts(traffic)]


def sampled_answers(rows: pd.DataFrame, traffic: Sequence[TrafficText]) -> list[Compared]:
    """The answers kept during the load."""
    kept = rows.dropna(subset=["label"])
    columns = (kept[name].tolist() for name in ("text_id", "label", "confidence"))
    return [
        Compared(traffic[text_id], BatchItem(label=label, confidence=confidence))
        for text_id, label, confidence in zip(*columns, strict=True)
    ]
