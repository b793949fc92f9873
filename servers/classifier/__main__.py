"""`python -m servers.classifier build|compile|traffic|answers`: one JSON object on stdout.

`measure` and `profile` write a file, because ONNX Runtime prints on stdout, too. Progress is on
stderr.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from servers.classifier.answers import keep_answers
from servers.classifier.build import build_model
from servers.classifier.errors import ClassifierError, libraries_refuse
from servers.classifier.model_info import read_model_info
from servers.classifier.progress import say
from servers.classifier.traffic import build_traffic
from servers.contract import LENGTH_BUCKETS, MAX_BATCH_TEXTS, MAX_LENGTH_TOKENS
from servers.device_curve import curve_toml
from servers.engines import ENGINES
from servers.placement import CPU, PLACEMENT_OPTIONS, EngineUnavailableError, placement_from
from servers.storable import storable_json


def main(argv: Sequence[str] | None = None) -> None:
    # A stopped build removes its unfinished folder on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    given = _parser().parse_args(argv)
    # Hugging Face's own bars and advice would mix with ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        with libraries_refuse(f"`{given.command}` to end well", "check the files it was given"):
            result = _ACTIONS[given.command](given)
    except ClassifierError as error:
        say(str(error))
        sys.exit(2)
    except OSError as error:
        say(f"expected `{given.command}` to read and write its files, found {error}: correct it.")
        sys.exit(2)
    if result is not None:
        print(storable_json(result))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m servers.classifier", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make the artefacts that every contender loads")
    build.add_argument("--model", default="small", metavar="small|base|PATH|HUB_ID")
    compiled = commands.add_parser("compile", help="make what the engine torch-compiled runs")
    compiled.add_argument("--model-dir", type=Path, required=True)
    traffic = commands.add_parser("traffic", help="write texts with their reference answers")
    traffic.add_argument("--model-dir", type=Path, required=True)
    traffic.add_argument(
        "--texts", type=Path, help="*.txt, one text a line, *.jsonl, *.json or *.csv"
    )
    answers = commands.add_parser("answers", help="keep a traffic's answers for a simulated device")
    answers.add_argument("--model-dir", type=Path, required=True)
    answers.add_argument("--traffic", type=Path, required=True, help="traffic.jsonl")
    for command in (build, traffic):
        command.add_argument("--cache", type=Path, required=True)
        command.add_argument("--seed", type=int, required=True)
    _add_measure(commands.add_parser("measure", help="prove and time one engine as it is placed"))
    _add_profile(commands.add_parser("profile", help="write the curve of one engine as placed"))
    return parser


def _add_measure(measure: argparse.ArgumentParser) -> None:
    _add_engine(measure)
    measure.add_argument("--texts", type=Path, help="instead of the model's held-out messages")
    measure.add_argument("--reference", type=Path, help="where the reference logits are kept")


def _add_profile(profile: argparse.ArgumentParser) -> None:
    _add_engine(profile)
    profile.add_argument("--said", required=True, help="the command that the curve names")


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model-dir", type=Path, required=True)
    command.add_argument("--engine", choices=tuple(ENGINES), required=True)
    for name, allowed in PLACEMENT_OPTIONS.items():
        option, usual = f"--{name.replace('_', '-')}", getattr(CPU, name)
        if usual is False:
            command.add_argument(option, action="store_true")
        else:
            command.add_argument(option, choices=allowed or None, default=usual)
    command.add_argument("--lengths", type=int, nargs="+", default=[*LENGTH_BUCKETS])
    command.add_argument("--batches", type=int, nargs="+", default=[1, 8, MAX_BATCH_TEXTS])
    command.add_argument("--repeats", type=int, default=100)
    command.add_argument("--point-s", type=float, default=2.0, help="at most, for each point")
    command.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    command.add_argument("--out", type=Path, required=True)


def _build(given: argparse.Namespace) -> dict[str, Any]:
    model_dir = build_model(given.model, given.cache, given.seed)
    info = asdict(read_model_info(model_dir))
    for note in info["notes"]:
        say(f"NOTE: {note}")
    fields = ("digest", "name", "weights", "notes", "accuracy")
    return {"model_dir": str(model_dir), **{field: info[field] for field in fields}}


def _traffic(given: argparse.Namespace) -> dict[str, Any]:
    return asdict(build_traffic(given.model_dir, given.cache, given.seed, given.texts))


def _compile(given: argparse.Namespace) -> dict[str, Any]:
    from servers.classifier.compiled_network import compiled_network  # PyTorch, as for measure

    return {"path": str(compiled_network(given.model_dir))}


def _measure(given: argparse.Namespace) -> None:
    from servers.classifier.measure import Measurement, measure  # PyTorch: only for this command

    _require_sizes(given)
    facts = measure(
        Measurement(
            given.model_dir,
            given.engine,
            placement_from(vars(given)),
            given.threads,
            given.lengths,
            given.batches,
            given.repeats,
            given.point_s,
            given.texts,
            given.reference,
        )
    )
    given.out.write_text(storable_json(facts, indent=2) + "\n", encoding="utf-8")


def _profile(given: argparse.Namespace) -> None:
    from servers.classifier.profile import Profile, profiled  # PyTorch, as for measure

    _require_sizes(given)
    sizes = given.lengths, given.batches, given.repeats, given.point_s
    what = Profile(
        given.model_dir, given.engine, placement_from(vars(given)), given.threads, *sizes
    )
    try:
        curve = profiled(what, given.out.stem, given.said)
    except EngineUnavailableError as error:
        raise ClassifierError(str(error)) from error
    given.out.write_text(curve_toml(curve), encoding="utf-8")


def _answers(given: argparse.Namespace) -> dict[str, Any]:
    return {"path": str(keep_answers(given.model_dir, given.traffic))}


def _require_sizes(given: argparse.Namespace) -> None:
    wrong = [size for size in (*given.lengths, *given.batches, given.repeats) if size < 1]
    if wrong or max(given.lengths) > MAX_LENGTH_TOKENS:
        raise ClassifierError(
            f"expected lengths of 1 to {MAX_LENGTH_TOKENS} tokens, and batches and repeats of at "
            f"least 1, found {max(given.lengths) if not wrong else wrong[0]}: correct it."
        )


_ACTIONS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any] | None]] = {
    "build": _build,
    "compile": _compile,
    "traffic": _traffic,
    "answers": _answers,
    "measure": _measure,
    "profile": _profile,
}


if __name__ == "__main__":
    main()
