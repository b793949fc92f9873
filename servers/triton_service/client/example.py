"""Classifies texts by the models of `study serve triton`, once with each kind of router:

python -m servers.triton_service.client.example grpc://127.0.0.1:8001
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import numpy as np

from servers.triton_service.client import (
    AsyncRouter,
    ClientError,
    Retry,
    Router,
    Step,
    UsageError,
)

TEXTS = ("我的快递到哪里了?", "I want my money back")
# What one model gives is what the next one takes. On the server an ensemble, here text_classifier,
# does the same in one request; a chain also leads through models that no ensemble joins.
CHAIN = (
    Step("tokenizer", {"TEXT": "text"}, {"input_ids": "ids", "attention_mask": "mask"}),
    Step(
        "classifier",
        {"input_ids": "ids", "attention_mask": "mask"},
        {"LABEL": "label", "CONFIDENCE": "confidence"},
    ),
)


def step_by_step(url: str, texts: Sequence[str]) -> list[str]:
    """The labels of the texts, as one batch through the chain."""
    with Router(url, deadline_s=5.0) as router:
        health = router.health(["text_classifier"])
        print(f"live {health.live}, ready {health.ready}, serves {health.serves}")
        print(router.model("classifier"))
        try:
            router.infer("classifier", {"input_ids": np.zeros(16, np.float32)})
        except UsageError as error:
            print(f"not sent: {error}")
        batch = np.array(texts).reshape(-1, 1)
        # Asking twice does no harm here, so it is asked for.
        found = router.infer_chain(CHAIN, {"text": batch}, retry=Retry())
        return [label.decode() for label in found["label"].ravel()]


async def at_once(url: str, texts: Sequence[str]) -> list[str]:
    """The labels of the texts, each in a request of its own, for Triton to batch."""
    async with AsyncRouter(url, deadline_s=5.0) as router:
        requests = (
            router.infer("text_classifier", {"TEXT": np.array([[text]])}, outputs=["LABEL"])
            for text in texts
        )
        return [found["LABEL"].item().decode() for found in await asyncio.gather(*requests)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m servers.triton_service.client.example")
    parser.add_argument("url", help="such as grpc://127.0.0.1:8001")
    url = parser.parse_args(argv).url
    try:
        print(f"step by step: {step_by_step(url, TEXTS)}")
        print(f"at once: {asyncio.run(at_once(url, TEXTS))}")
    except ClientError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
