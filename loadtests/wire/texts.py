"""The texts of a study with their reference answers, and how a text becomes bytes on the wire."""

import json
from dataclasses import dataclass
from pathlib import Path

from loadtests.wire.formats import CONTRACT_WIRES, Answer
from servers.discovery import Protocol


@dataclass(frozen=True)
class TrafficText:
    """label and confidence are the reference answer: torch, FP32, this text alone. margin is what
    its confidence is above that of the label that comes second."""

    text_id: int
    text: str
    n_tokens: int
    label: str
    confidence: float
    margin: float = 1.0


def read_traffic(path: Path) -> list[TrafficText]:
    """The texts in traffic.jsonl, text_id equal to the position."""
    with path.open(encoding="utf-8") as lines:
        return [TrafficText(**json.loads(line)) for line in lines]


def encode_request(protocol: Protocol, text: str) -> bytes:
    """The body that carries one text to a contender of the study."""
    return CONTRACT_WIRES[protocol].encode(text)


def decode_answer(protocol: Protocol, reply: bytes) -> Answer:
    """Label and confidence in one reply of a contender of the study; AnswerError shows what came
    instead."""
    return CONTRACT_WIRES[protocol].decode(reply)
