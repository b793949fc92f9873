"""One session of `study ui`: makes the measurements that the page asks for, one at a time."""

import json
import time
from _thread import interrupt_main
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.host.locks import LockError
from loadtests.launch.artefacts import ArtefactError, Artefacts
from loadtests.launch.server import LaunchError
from loadtests.live.desk import Answer, Asked, Desk
from loadtests.live.fleet import Fleet
from loadtests.live.form import Form, FormError, capacity_search, comparison
from loadtests.live.options import UiOptions, about_session
from loadtests.live.progress import PageProgress
from loadtests.live.runs import saved, unsaved_folder
from loadtests.live.web import UiError
from loadtests.measure.locust_process import DriveError
from loadtests.measure.tools import RunContext, Tools
from loadtests.plan.live_choices import LENGTHS, texts_of
from loadtests.plan.time_budget import BudgetError
from loadtests.records.disturbance import count_disturbances, disturbances_told
from loadtests.records.run_trials import read_trials
from loadtests.records.stored import RecordError
from loadtests.run.flow import run_study
from loadtests.run.options import RunOptions

LOOK_EVERY_S = 0.2

_MEASURING_FAILED = (
    *(ArtefactError, LaunchError, DriveError, BudgetError, RecordError, LockError, OSError),
)


@dataclass
class Session:
    options: UiOptions
    tools: Tools
    artefacts: Mapping[str, Artefacts]
    cores: Mapping[str, tuple[int, ...]]
    fleet: Fleet
    ended: Callable[[], str] = lambda: ""
    desk: Desk = field(init=False)
    _prepared: dict[str | None, Artefacts] = field(default_factory=dict)
    _run: Path | None = None
    _stopped: bool = False

    def __post_init__(self) -> None:
        about = about_session(self.options, self.cores)
        self.desk = Desk(self.fleet, self._problem, self._save, self._alone, self._stop_work, about)
        self._prepared = {self.options.texts[k]: made for k, made in self.artefacts.items()}

    def go_on(self) -> None:
        """Makes what is asked for, and starts again what ended; until Ctrl-C."""
        while True:
            if problem := self.ended():
                raise UiError(problem)
            try:
                self._one_step()
            except KeyboardInterrupt:
                if not self._stopped:
                    raise
                self._stopped = False
                self.desk.done("It was stopped; what is complete can be saved.")
                self._show_table()

    def _one_step(self) -> None:
        asked = self.desk.next()
        if asked:
            self._make(asked)
        elif sentence := self.fleet.tend():
            self.desk.say(sentence)
        else:
            time.sleep(LOOK_EVERY_S)

    def _make(self, asked: Asked) -> None:
        self._run = None
        try:
            form = self._read(asked)
            with self.fleet.others_paused(form.contenders):
                said = measured_in_words(self._measured(asked.kind, form))
        except (ValueError, *_MEASURING_FAILED) as error:
            said = f"It ended: {error}"
        self._show_table()
        self.desk.done(said)

    def _measured(self, kind: str, form: Form) -> Path:
        texts = self._texts_of(form.texts, form.lengths)
        options = self.options
        experiment = comparison(form, options.contenders, options.seed, options.model, texts)
        if kind == "capacity":
            experiment = capacity_search(experiment)
        tools = replace(
            self.tools,
            say=self.desk.say,
            watch=self._watch,
            launch=self.fleet.lend,
            prepare=self._prepare,
        )
        run_options = RunOptions(
            lambda: experiment,
            unsaved_folder(options.results),
            options.command,
            stops=lambda folder: nullcontext(),
        )
        return run_study(run_options, tools, None, lambda folder: None)

    def _watch(self, run: RunContext) -> PageProgress:
        self._run = run.folder
        return PageProgress(self.desk, run, lambda: self.options.table(run.folder))

    def _prepare(
        self,
        model: str,
        texts: str | None,
        seed: int,
        cache: Path,
        until_s: float,
        engines: Collection[str],
    ) -> Artefacts:
        if texts not in self._prepared:
            made = self.tools.prepare(model, texts, seed, cache, until_s, engines)
            self._prepared[texts] = made
        return self._prepared[texts]

    def _texts_of(self, source: str, lengths: str) -> str | None:
        """The file of a source, or one of those of its texts that have such lengths."""
        texts = self.artefacts[source].texts
        chosen = texts_of(lengths, texts)
        if len(chosen) == len(texts):
            return self.options.texts[source]
        if not chosen:
            raise FormError(f"expected texts that are {lengths}, found none in {source}.")
        n_source = list(self.options.texts).index(source)
        path = self.options.folder / f"texts-{n_source}-{list(LENGTHS).index(lengths)}.jsonl"
        lines = (json.dumps({"text": text}, ensure_ascii=False) for text in chosen)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    def _read(self, asked: Asked) -> Form:
        return Form.read(asked.form, self.fleet.names_up(), list(self.options.texts))

    def _problem(self, asked: Asked) -> str:
        try:
            comparison(self._read(asked), self.options.contenders, 1, "small", None)
        except ValueError as error:
            return str(error)
        return ""

    def _show_table(self) -> None:
        if self._run is None:
            return
        table = self.options.table(self._run)
        with self.desk.lock:
            self.desk.work.table = table
            self.desk.work.kept = table is not None

    def _save(self) -> Answer:
        if self._run is None or self.desk.busy:
            return {
                "ok": False,
                "said": "expected a measurement that has ended, found none.",
            }
        try:
            target = saved(self._run, self.options.results)
        except UiError as error:
            return {"ok": False, "said": str(error)}
        self._run = None
        said = f"Saved. `study report {target}` writes its report."
        self.desk.work.kept, self.desk.work.saved, self.desk.work.said = False, str(target), said
        return {"ok": True, "said": said}

    def _alone(self) -> AbstractContextManager[None]:
        return self.options.alone(time.monotonic())

    def _stop_work(self) -> None:
        self._stopped = True
        interrupt_main()


def measured_in_words(folder: Path) -> str:
    """What a person must know of a measurement that has ended: how much of it is not used."""
    disturbed = disturbances_told(*count_disturbances(read_trials(folder).values()))
    return " ".join(filter(None, ("It is measured. Save as run keeps it.", disturbed)))
