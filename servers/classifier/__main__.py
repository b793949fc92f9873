"""`python -m servers.classifier build|traffic`: one JSON object on stdout, progress on stderr."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from servers.classifier.build import build_model
from servers.classifier.errors import ClassifierError
from servers.classifier.model_info import read_model_info
from servers.classifier.progress import say
from servers.classifier.traffic import build_traffic


def main(argv: Sequence[str] | None = None) -> None:
    # A stopped build removes its unfinished folder on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    given = _parser().parse_args(argv)
    # Hugging Face's own bars and advice would mix with ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        result = _build(given) if given.command == "build" else _traffic(given)
    except ClassifierError as error:
        say(str(error))
        sys.exit(2)
    print(json.dumps(result, ensure_ascii=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m servers.classifier", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make the artefacts that every contender loads")
    build.add_argument("--model", default="small", metavar="small|base|PATH|HUB_ID")
    traffic = commands.add_parser("traffic", help="write texts with their reference answers")
    traffic.add_argument("--model-dir", type=Path, required=True)
    traffic.add_argument("--texts", type=Path, help="plain text or *.jsonl, one text a line")
    for command in (build, traffic):
        command.add_argument("--cache", type=Path, required=True)
        command.add_argument("--seed", type=int, required=True)
    return parser


def _build(given: argparse.Namespace) -> dict[str, Any]:
    model_dir = build_model(given.model, given.cache, given.seed)
    info = asdict(read_model_info(model_dir))
    for note in info["notes"]:
        say(f"NOTE: {note}")
    fields = ("digest", "name", "weights", "notes", "accuracy")
    return {"model_dir": str(model_dir), **{field: info[field] for field in fields}}


def _traffic(given: argparse.Namespace) -> dict[str, Any]:
    return asdict(build_traffic(given.model_dir, given.cache, given.seed, given.texts))


if __name__ == "__main__":
    main()
