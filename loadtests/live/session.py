"""One session of `study ui`: from its contenders and its web UI to the end of both."""

import json
import math
import time
from _thread import interrupt_main
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtests.host.cores import available_cores, disjoint, running_on, split_cores
from loadtests.host.locks import LockError
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import LaunchError, cause_in, log_tail
from loadtests.live.desk import Answer, Asked, Desk
from loadtests.live.fleet import Fleet
from loadtests.live.form import Form, FormError, capacity_search, comparison
from loadtests.live.progress import PageProgress
from loadtests.live.runs import saved, unsaved_folder, unsaved_in_words
from loadtests.live.watch import Watch
from loadtests.live.web import UiError, WebOptions, refuse_busy, web_ui
from loadtests.measure.locust_process import DriveError, LoadGenerator
from loadtests.measure.residents import Residents
from loadtests.measure.tools import RunContext, Tools
from loadtests.plan.live_choices import ARRIVALS, LENGTHS, LOADS
from loadtests.plan.time_budget import BudgetError
from loadtests.records.stored import RecordError
from loadtests.run.flow import run_study
from loadtests.run.options import RunOptions
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender

LOOK_EVERY_S = 0.2
Table = Callable[[Path], Mapping[str, Any] | None]

_MEASURING_FAILED = (LaunchError, DriveError, BudgetError, RecordError, LockError, OSError)


@dataclass(frozen=True)
class UiOptions:
    """contenders in the order of the page; the first is the reference. texts: files by what the
    page calls them; None: the study's own. table: the study's table of a run, for JSON. folder: of
    the session, which ends with it."""

    contenders: Mapping[str, Contender]
    web: WebOptions
    results: Path
    command: str
    model: str
    texts: Mapping[str, str | None]
    seed: int
    folder: Path
    table: Table
    alone: Callable[[float], AbstractContextManager[None]]


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
                self._measured(asked.kind, form)
            said = "It is measured. Save as run keeps it."
        except (FormError, *_MEASURING_FAILED) as error:
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
        return run_study(run_options, tools, lambda folder: None)

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
        low, high = LENGTHS[lengths]
        texts = self.artefacts[source].texts
        chosen = [each.text for each in texts if low <= each.n_tokens <= high]
        if len(chosen) == len(texts):
            return self.options.texts[source]
        if not chosen:
            raise FormError(f"expected texts that are {lengths}, found none in {source}.")
        n_source = list(self.options.texts).index(source)
        path = self.options.folder / f"texts-{n_source}-{low}-{high}.jsonl"
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


def serve_ui(options: UiOptions, tools: Tools) -> None:
    """Until Ctrl-C, or the end of the web UI."""
    refuse_busy(options.web)
    if left := unsaved_in_words(options.results):
        tools.say(left)
    tools.say("Preparing the model and the traffic")
    engines = {contender.engine for contender in options.contenders.values()}
    artefacts = {
        name: tools.prepare(options.model, file, options.seed, tools.cache, math.inf, engines)
        for name, file in options.texts.items()
    }
    first = next(iter(artefacts.values()))
    cores = split_cores(available_cores(), 1)
    with ExitStack() as stack:
        stack.enter_context(running_on(cores["load"]))
        residents = stack.enter_context(Residents(_context(options, first, cores, tools)))
        fleet = Fleet(options.contenders, residents)
        session = Session(options, tools, artefacts, cores, fleet)
        told = {
            "user_classes": user_classes(options),
            "traffic": {name: str(made.traffic_path) for name, made in artefacts.items()},
        }
        log = options.folder / "web-ui.log"
        process = stack.enter_context(
            web_ui(
                *(options.web, told, cores["load"], log),
                session.desk.answer,
            )
        )
        session.ended = lambda: "" if process.poll() is None else _why_ended(process.poll(), log)
        tools.say(options.web.url)
        watch = stack.enter_context(Watch(fleet.up, lambda: session.desk.busy, Gpu.find()))
        fleet.server_sides, fleet.gpu = watch.found, lambda: watch.gpu
        for name in fleet.start():
            tools.say(f"{name} is up" if name in fleet.up() else f"{name} did not start")
        tools.say("Ctrl-C stops all of it")
        session.go_on()


def user_classes(options: UiOptions) -> dict[str, str]:
    """What Locust calls each contender."""
    return {name: in_words(each) for name, each in options.contenders.items()}


def about_session(options: UiOptions, cores: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What the page says of a session, and the choices that it offers."""
    server, load = (", ".join(map(str, cores[side])) for side in ("server", "load"))
    shared = "" if disjoint(cores) else ": one core for both, so that they disturb each other"
    return {
        "cores": f"Contenders run on core {server}, the load generator on core {load}{shared}.",
        "texts": list(options.texts),
        "arrivals": list(ARRIVALS),
        "lengths": list(LENGTHS),
        "loads": list(LOADS),
        "user_classes": user_classes(options),
    }


def _why_ended(code: int | None, log: Path) -> str:
    return f"Locust's web UI ended with exit code {code}: {cause_in(log_tail(log))}"


def in_words(contender: Contender) -> str:
    """The name of its user class: what it is beside its name."""
    protocol = "HTTP/JSON" if contender.protocol == "http-json" else "gRPC"
    return f"{contender.name}: {protocol}, {contender.engine}, {contender.setting}"


def _context(
    options: UiOptions, artefacts: Artefacts, cores: Mapping[str, tuple[int, ...]], tools: Tools
) -> RunContext:
    """What keeping contenders up needs of a run; nothing is measured with it."""
    experiment = Experiment.model_validate(
        {
            "name": "session",
            "contenders": list(options.contenders),
            "load": {"rates_rps": [1]},
            "reference": next(iter(options.contenders)),
        }
    )
    log = options.folder / "unused.log"
    generator = LoadGenerator(artefacts.traffic_path, cores["load"], 1, log)
    return RunContext(
        options.folder, experiment, artefacts, cores, Gpu.find(), None, tools, generator
    )
