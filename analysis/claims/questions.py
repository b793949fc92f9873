"""The questions that the real server is asked about its settings, and what is expected of each.

loadtests/selfcheck/triton_questions.py measures and judges nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.claims import question_judges as judges
from analysis.claims.question_judges import Figures, Found, MissingFigure
from loadtests.records.behaviour import CheckFinding
from loadtests.records.questions import Answer, Questions


@dataclass(frozen=True)
class Question:
    """judge reads the figures; expected is said of them beforehand."""

    id: str
    asked: str
    statements: tuple[int, ...]
    expected: str
    judge: Callable[[Figures], Found]


def checks_of(found: Questions) -> list[CheckFinding]:
    """One check for each question that was asked, as the statements take them."""
    return [
        judged(question, answer)
        for question in QUESTIONS
        for answer in found.answers
        if answer.question == question.id and not answer.left_out
    ]


def judged(question: Question, answer: Answer) -> CheckFinding:
    """What was found, and whether it is as expected; a missing figure is not."""
    try:
        as_expected, seen = question.judge(Figures(answer))
    except MissingFigure as missing:
        as_expected, seen = False, str(missing)
    return CheckFinding(
        statements=list(question.statements),
        expected=question.expected,
        found=seen,
        as_expected=as_expected,
    )


QUESTIONS: Sequence[Question] = (
    Question(
        "transport",
        "What does it cost to bring a tensor to a model and back? (an identity model, one caller)",
        (53,),
        "JSON takes over 3 times as long as binary HTTP at 588 KiB, gRPC does not, and at 1 KiB "
        "the three hardly differ",
        judges.transport,
    ),
    Question(
        "transport",
        "",
        (70,),
        "shared memory gains over 1.5 times from 588 KiB on, and less at 1 KiB",
        judges.shared_memory,
    ),
    Question(
        "queue-delay",
        "What does max_queue_delay cost a lone caller, and give many?",
        (27, 112),
        "5 ms make a lone caller wait over 1.3 times as long, and give many at most 1.4 "
        "times the answers",
        judges.queue_delay,
    ),
    Question(
        "preferred-sizes",
        "What do preferred_batch_size [4, 8, 16, 32] give?",
        (47,),
        "without a delay, preferred sizes cost 16 callers answers",
        judges.preferred,
    ),
    Question(
        "instances",
        "What do 2 and 4 instances give 16 callers, without a batcher?",
        (68,),
        "instances that keep cores busy gain less than linearly, and less than those that wait",
        judges.instances,
    ),
    Question(
        "lengths",
        "What do 32 callers with texts of different lengths do to batches?",
        (26, 95),
        "different lengths are not merged; buckets are in part; allow_ragged_batch merges all",
        judges.lengths,
    ),
    Question(
        "client-batches",
        "Batches of the client, or the batcher?",
        (66, 99),
        "the batcher adds little to requests that are full batches, and much to single rows",
        judges.client_batches,
    ),
    Question(
        "perf-analyzer",
        "What does perf_analyzer show with -b 32, and with -b 1?",
        (66,),
        "with -b 32 the batcher changes little, with -b 1 and many at once much",
        judges.perf_analyzer,
    ),
    Question(
        "two-classes",
        "Whose P99 do priorities lower, when more is asked than the model can do?",
        (72,),
        "that of level 1, at the cost of level 2",
        judges.two_classes,
    ),
    Question(
        "queue-policy",
        "What do callers see of 24 requests at once for a model that takes one at a time?",
        (58,),
        "a queue timeout refuses, DELAY does not, and a full queue does in other words",
        judges.queue_policy,
    ),
    Question(
        "heavy-beside-light",
        "How long does a light model take beside one that keeps a core busy?",
        (48,),
        "far longer only where both share one Python process",
        judges.heavy,
    ),
    Question(
        "response-cache",
        "What does the response cache give, and what does it not take?",
        (80,),
        "a repeated request is answered over 3 times as fast, and a new one about as before",
        judges.cache,
    ),
    Question(
        "dead-stub",
        "What do the health URLs say of a model whose Python process is dead?",
        (44,),
        "all health URLs say 200 while requests fail, until the model is unloaded and loaded; a "
        "load alone, of unchanged files, does nothing",
        judges.dead_stub,
    ),
    Question(
        "roll-out",
        "What do callers see of a new version of the classifier under 100 calls a second?",
        (15, 106),
        "no call fails while Triton loads a version, and calls fail while FastAPI restarts",
        judges.rollout,
    ),
)
