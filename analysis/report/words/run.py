"""What a reader must know of a run before its numbers."""

from datetime import datetime

from analysis.report.cautions import Caution
from analysis.report.summary import Summary
from analysis.report.words.numbers import percent
from loadtests.records.disturbance import disturbances_told
from loadtests.records.durations import clock

_SENTENCES = {
    Caution.SIMULATED: "Simulated services: nothing here says how fast a real server is.",
    Caution.SEEDED: "The weights are seeded, not trained: speed is real, labels mean nothing.",
    Caution.UNFINISHED: "The run is not finished: resume it (study run --resume RUN) before you "
    "rely on it.",
    Caution.UNCOMMITTED: "The code had uncommitted changes when the run was made.",
}


def warnings(summary: Summary) -> list[str]:
    """The sentences that stand above everything else."""
    disturbed = disturbances_told(summary.disturbed.trial_ids, summary.disturbed.n_by_cause)
    told = {
        Caution.MODEL_NOTES: summary.manifest.model.notes,
        Caution.SIMULATED_DEVICES: _simulated_devices(summary),
        Caution.DISTURBED: [disturbed] if disturbed else [],
    }
    sentences = {caution: [text] for caution, text in _SENTENCES.items()} | told
    return [text for caution in summary.warnings for text in sentences[caution]]


def _simulated_devices(summary: Summary) -> list[str]:
    """Of each device that is simulated: who it stands behind, and what that means."""
    behind: dict[str, list[str]] = {}
    for contender in summary.contenders:
        if contender.simulated_device:
            behind.setdefault(contender.simulated_device, []).append(contender.name)
    return [
        f"{label[0].upper()}{label[1:]}, behind {', '.join(names)}: passes take what its curve "
        "says, nothing is computed, and all else is real."
        for label, names in behind.items()
    ]


def rounds(summary: Summary) -> str:
    """How many rounds the run made."""
    n = len({t.repeat for t in summary.trials if t.purpose in ("measurement", "search")})
    return f"{n} round{'' if n == 1 else 's'}"


def resident(summary: Summary) -> str:
    """Which contenders were up at the same time."""
    groups, paused = summary.manifest.groups, summary.manifest.paused
    if not groups:
        return "each contender was started for its slices, and was up alone"
    told = "all contenders were up during every slice"
    if len(groups) > 1:
        each = "; ".join(", ".join(group) for group in groups)
        told = f"the memory did not hold all contenders at once, so they were up in groups: {each}"
    if paused:
        each = ", ".join(f"{name} ({percent(share)} of a core)" for name, share in paused.items())
        told += f"; paused between their slices, for what they use without load: {each}"
    if summary.manifest.experiment.restarts_per_round:
        told += f"; each was started {_how_often_started(summary)}"
    return told


def _how_often_started(summary: Summary) -> str:
    starts: dict[str, set[float | None]] = {}
    for trial in summary.trials:
        if trial.purpose != "calibration":
            starts.setdefault(trial.contender, set()).add(trial.startup_s)
    fewest, most = (end((len(each) for each in starts.values()), default=0) for end in (min, max))
    if most == 1:
        return "once"
    return f"{most} times" if fewest == most else f"{fewest} to {most} times"


def time_spent(summary: Summary) -> str:
    """How much of the measuring time was steady state: the rest is starts, settling and drains."""
    steady_s = sum(t.metrics.window_s for t in summary.trials if t.metrics)
    begun, ended = (_moment(when) for when in (summary.manifest.created_at, _end(summary)))
    if begun is None or ended is None or ended <= begun:
        return f"{clock(steady_s)} of steady state"
    whole_s = (ended - begun).total_seconds()
    share = percent(steady_s / whole_s)
    return f"{clock(whole_s)} of measuring, of which {clock(steady_s)} ({share}) are steady state"


def _end(summary: Summary) -> str:
    return summary.manifest.finished_at or ""


def _moment(when: str) -> datetime | None:
    try:
        return datetime.fromisoformat(when)
    except ValueError:
        return None
