"""What do Triton's settings and ways of use do? Asks the real server, on this machine.

`python -m loadtests.selfcheck.triton_questions FOLDER` starts the embedded Triton on loopback, over
models whose passes are simulated, and for the roll-out over the small classifier: about five
minutes. It writes FOLDER/questions.json, which the claims and docs/triton-questions.md are made
from. Callers and server share the cores: leave the machine alone meanwhile, and quote ratios.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

from tritonclient.utils import InferenceServerException

from loadtests.launch.artefacts import ArtefactError
from loadtests.launch.server import LaunchError
from loadtests.records.questions import Answer, Case
from loadtests.selfcheck import triton_batching, triton_beside, triton_queueing
from loadtests.selfcheck.findings_file import write_findings
from loadtests.selfcheck.outside_tools import ToolError
from loadtests.selfcheck.question_models import question_models
from loadtests.selfcheck.triton_bench import Bench, bench
from loadtests.selfcheck.triton_rollout import rollout
from loadtests.selfcheck.triton_transport import transport
from servers.triton_service.installation import installed_caches
from servers.triton_service.plain_paths import InstallationError, plain_folder
from servers.triton_service.process import TritonError

PROGRAM = "loadtests.selfcheck.triton_questions"
CACHE_BYTES = 64 * 2**20
ASKED: Mapping[str, Callable[[Bench], Iterable[Case]]] = {
    "transport": transport,
    "queue-delay": triton_batching.queue_delay,
    "preferred-sizes": triton_batching.preferred_sizes,
    "instances": triton_batching.instances,
    "lengths": triton_batching.lengths,
    "client-batches": triton_batching.client_batches,
    "perf-analyzer": triton_batching.perf_analyzer,
    "two-classes": triton_queueing.two_classes,
    "queue-policy": triton_queueing.queue_policy,
    "heavy-beside-light": triton_beside.heavy_beside_light,
    "response-cache": triton_beside.response_cache,
    "dead-stub": triton_beside.dead_stub,
}
"""Of one server, in this order: the last one kills a part of it."""
ROLLOUT = "roll-out"
QUESTIONS = (*ASKED, ROLLOUT)


def answered(question: str, ask: Callable[[], Iterable[Case]]) -> Answer:
    """What was found; what the server or a tool refused is left out, with the reason."""
    began_s = time.monotonic()
    cases: list[Case] = []
    left_out = ""
    try:
        cases = list(ask())
    except (InferenceServerException, OSError, ToolError) as error:
        left_out = " ".join(str(error).split())
    seconds = round(time.monotonic() - began_s, 1)
    return Answer(question=question, seconds=seconds, cases=cases, left_out=left_out)


def look(chosen: Sequence[str], say: Callable[[Answer], None]) -> tuple[str, list[Answer]]:
    """The server's version, and the answers to the chosen questions."""
    found: list[Answer] = []

    def add(answer: Answer) -> None:
        found.append(answer)
        say(answer)

    with (
        tempfile.TemporaryDirectory(prefix="study-questions-") as folder,
        plain_folder(Path(folder)) as work,
    ):
        (work / "tiny").mkdir()
        with bench(work / "tiny", question_models(), _cache()) as running:
            version = str(running.client.get_server_metadata().version)
            for question in (each for each in ASKED if each in chosen):
                add(answered(question, partial(ASKED[question], running)))
        if ROLLOUT in chosen:
            (work / "rollout").mkdir()
            add(answered(ROLLOUT, partial(rollout, work / "rollout")))
    return version, found


def _cache() -> tuple[str, ...]:
    """The options that give Triton its local response cache."""
    return (f"--cache-directory={installed_caches()}", f"--cache-config=local,size={CACHE_BYTES}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="Gets questions.json.")
    parser.add_argument(
        "--only", nargs="+", choices=QUESTIONS, default=QUESTIONS, help="Ask these alone."
    )
    given = parser.parse_args(arguments)
    try:
        version, answers = look(given.only, lambda answer: print(said(answer), flush=True))
    except (ArtefactError, InstallationError, LaunchError, TritonError) as error:
        print(error, file=sys.stderr)
        return 2
    only = [] if given.only == QUESTIONS else ["--only", *given.only]
    written = {
        "triton": version,
        "tritonclient": metadata.version("tritonclient"),
        "answers": [answer.model_dump() for answer in answers],
    }
    path = given.folder / "questions.json"
    write_findings(path, PROGRAM, written, (given.folder.name, *only))
    return 0


def said(answer: Answer) -> str:
    """What was found, for who watches."""
    lines = [
        f"{answer.question}, {answer.seconds:g} s{': ' * bool(answer.left_out)}{answer.left_out}"
    ]
    for case in answer.cases:
        figures = [f"{k} {'-' if v is None else f'{v:.4g}'}" for k, v in case.values.items()]
        words = [f"{n} x {what}" for what, n in case.said.items()]
        lines.append(f"  {case.case}: {', '.join([*figures, *words])}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
