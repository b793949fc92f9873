"""What Triton's settings and ways of use did, as Markdown.

`python -m analysis.report.questions_page docs/triton-questions.md` writes it between its two
markers, from the committed results/reference-triton-questions/questions.json; a test compares.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from analysis.claims.questions import QUESTIONS, Question, judged
from analysis.report.words.numbers import NONE, count, number
from loadtests.records.markdown import inline, table, write_section
from loadtests.records.questions import Answer, Case, Questions, read_questions

SECTION = "questions"
FILE = Path(__file__).parents[2] / "results" / "reference-triton-questions" / "questions.json"


def questions_page(found: Questions) -> str:
    """A paragraph and a table a question."""
    seconds = sum(answer.seconds for answer in found.answers)
    made = (
        f"Triton {found.triton} with tritonclient {found.tritonclient}; {found.created_at[:10]}, "
        f"{found.machine}; {seconds:.0f} s."
    )
    return "\n\n".join([inline(made), *(part for a in found.answers for part in _answer(a))])


def _answer(answer: Answer) -> Iterator[str]:
    own = [question for question in QUESTIONS if question.id == answer.question]
    asked = next(question.asked for question in own if question.asked)
    if answer.left_out:
        yield f"**{inline(asked)}** Not asked: {inline(answer.left_out)}"
        return
    yield f"**{inline(asked)}** {' '.join(_judged(question, answer) for question in own)}"
    if answer.cases:
        yield _table(answer.cases)


def _judged(question: Question, answer: Answer) -> str:
    check = judged(question, answer)
    mark = "As expected" if check.as_expected else "Not as expected"
    numbers = ", ".join(f"[{n}](claims.md#s{n})" for n in question.statements)
    return f"{mark} ({numbers}): {inline(check.found)}."


def _table(cases: list[Case]) -> str:
    names = list(dict.fromkeys(name for case in cases for name in case.values))
    told = any(set(case.said) - {"answered", "200"} for case in cases)
    heads = [
        "case",
        *(["callers saw"] if told else []),
        *(name.replace("_", " ") for name in names),
    ]
    rows = [
        [
            inline(case.case),
            *([_said(case)] if told else []),
            *(number(case.values.get(name)) for name in names),
        ]
        for case in cases
    ]
    return table(heads, rows, n_words=1 + told)


def _said(case: Case) -> str:
    return ", ".join(f"{count(n)} × {inline(what)}" for what, n in case.said.items()) or NONE


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write_section(Path(name), SECTION, questions_page(read_questions(FILE)))
