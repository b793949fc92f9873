"""Shows a run as it happens: one line a trial, and a bar with the time left."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests.plan import Block, PlannedTrial, expected_s
from loadtests.records import TrialRecord


class RunProgress:
    """The time left is what the plan says of the remaining trials; it learns nothing on the way."""

    def __init__(self, blocks: list[Block], done: int, console: Console) -> None:
        self._console = console
        self._remaining = [trial for block in blocks for trial in block.trials][done:]
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            refresh_per_second=1,  # drawn on the load generator's cores
        )
        total = sum(len(block.trials) for block in blocks)
        self._task = self._bar.add_task("starting", total=total, completed=done, left="")

    def __enter__(self) -> "RunProgress":
        self._bar.start()
        self._show("starting")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def block_started(self, block: Block) -> None:
        self._show(f"starting {block.contender.name}")

    def trial_finished(self, trial: PlannedTrial, record: TrialRecord) -> None:
        self._remaining = [other for other in self._remaining if other != trial]
        repeated = len(record.attempts_send_lag_p99_ms) - 1
        done = f"done at attempt {repeated + 1}, client was late" if repeated > 0 else "done"
        outcome = done if record.status == "completed" else f"failed: {record.reason}"
        colour = "green" if record.status == "completed" else "red"
        self._console.print(f"  [{colour}]{trial.trial_id}[/] {outcome}", highlight=False)
        self._bar.advance(self._task)
        self._show(trial.contender.name)

    def _show(self, description: str) -> None:
        blocks = [Block(trial.contender, (trial,)) for trial in self._remaining]
        starts = len({(trial.contender.name, trial.repeat) for trial in self._remaining})
        left_s = expected_s(blocks, startup_s=0) + 8.0 * starts
        minutes, seconds = divmod(round(left_s), 60)
        self._bar.update(
            self._task, description=description, left=f"about {minutes}:{seconds:02d} left"
        )
