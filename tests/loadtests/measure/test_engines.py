"""Which engines are measured alone, by which process, and what becomes of those that fail."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.measure import engines as measuring
from loadtests.measure.engines import (
    EngineBench,
    ProfileError,
    WantedEngine,
    in_words,
    measured_engines,
    profile_engine,
    wanted_engines,
)
from loadtests.records.engines import EngineFacts, engine_facts, read_engines, write_engines
from loadtests.records.stored import SCHEMA_VERSION
from loadtests.run.progress import RunProgress
from loadtests.spec.experiment import EnginesSpec
from servers.device_curve import curve_named
from servers.discovery import discover
from servers.placement import CPU, Placement

SPEC = EnginesSpec(lengths_tokens=(16,), batch_sizes=(1, 2), repeats=2)
FOUND = {
    "engine": "torch",
    "placement": {
        "device": "cpu",
        "precision": "fp32",
        "cuda_graphs": False,
        "tensorrt": False,
        "curve": "",
    },
    "available": True,
    "reason": "",
    "version": "torch 2.11.0",
    "device_name": "NVIDIA H200",
    "precision_check": {
        "precision_found": "fp16",
        "n_texts": 1000,
        "labels_agree_ratio": 0.999,
        "max_abs_logit_difference": 0.0123,
        "max_abs_logit": 6.5,
        "reference": "torch fp32 on cpu",
    },
    "curve": [
        {
            "batch": 64,
            "length_tokens": 32,
            "latency_p50_ms": 8.0,
            "latency_p99_ms": None,
            "rate_rps": 8000.0,
            "repeats": 20,
        }
    ],
    "flops_per_request": {"32": 1e9},
    "matmul_flops_per_s": 7e14,
}


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a few lines of Python in place of the measuring process; OUT is where facts go."""

    def replace(code: str) -> None:
        def command(what: WantedEngine, *_: object) -> Sequence[str]:
            known = f"import sys\nOUT, ENGINE = sys.argv[-1], {what.engine!r}\n"
            return [sys.executable, "-c", known + code]

        monkeypatch.setattr(measuring, "_command", command)

    return replace


def bench(tmp_path: Path, left_s: float = math.inf) -> EngineBench:
    return EngineBench(SPEC, tmp_path, (), left_s=lambda: left_s)


def wanted(*engines: str) -> list[WantedEngine]:
    return [WantedEngine(engine, CPU, ("fastapi-tuned",)) for engine in engines]


def test_each_engine_and_placement_is_wanted_once_for_all_that_run_it() -> None:
    known = discover()
    tuned = known["fastapi-tuned"]
    on_gpu = tuned.variant("on-gpu", {"device": "cuda", "precision": "fp16"})
    also = tuned.variant("also-on-gpu", {"device": "cuda", "precision": "fp16"})
    found = wanted_engines([known["null-http"], tuned, on_gpu, known["fastapi-onnx"], also])
    assert [(what.engine, what.placement.device, what.used_by) for what in found] == [
        ("torch", "cpu", ("fastapi-tuned",)),
        ("torch", "cuda", ("on-gpu", "also-on-gpu")),
        ("onnxruntime", "cpu", ("fastapi-onnx",)),
    ]
    assert found[1].placement == Placement("cuda", "fp16")


def test_the_own_texts_of_an_experiment_are_those_of_the_precision_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], *_: object) -> str:
        commands.append(command)
        return "not run"

    monkeypatch.setattr(measuring, "_run", run)
    list(measured_engines(wanted("torch"), EngineBench(SPEC, tmp_path, (), "mine.txt"), str))
    (command,) = commands
    assert command[command.index("--texts") + 1] == "mine.txt"


def test_an_engine_that_crashes_has_the_reason_and_the_next_one_is_measured(
    child: Callable[[str], None], tmp_path: Path
) -> None:
    child(
        "import json\n"
        "print('underway', file=sys.stderr, flush=True)\n"
        "if ENGINE == 'onnxruntime': sys.exit('no luck')\n"
        f"open(OUT, 'w').write(json.dumps({FOUND!r}))"
    )
    heard: list[str] = []
    first, second = measured_engines(wanted("onnxruntime", "torch"), bench(tmp_path), heard.append)
    assert (first.available, second.available) == (False, True)
    assert first.reason == "measuring it ended with exit code 1: no luck"
    assert heard == ["underway", "no luck", "underway"]


def test_an_engine_that_takes_too_long_is_cut_off(
    child: Callable[[str], None], tmp_path: Path
) -> None:
    child("import time\ntime.sleep(600)")
    (facts,) = measured_engines(wanted("torch"), bench(tmp_path, left_s=0.2), str)
    assert (facts.available, facts.curve) == (False, ())
    assert "was cut off" in facts.reason


def test_the_time_left_is_shared_among_the_engines_and_bounds_their_curves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[tuple[float, float]] = []

    def run(command: list[str], limit_s: float, say: object) -> str:
        given.append((limit_s, float(command[command.index("--point-s") + 1])))
        return "not run"

    monkeypatch.setattr(measuring, "_run", run)
    left_s = iter([60.0, 10.0, 0.0])
    place = EngineBench(SPEC, tmp_path, (), left_s=lambda: next(left_s))
    last = list(measured_engines(wanted("a", "b", "c"), place, str))[-1]
    # Two points a curve; half of an engine's time is for them, and two seconds are enough for each.
    assert given == [(20.0, 2.0), (5.0, 1.25)]
    assert last.reason == "the budget of time left no room for it."


def test_an_engine_for_which_no_time_is_left_is_not_started(
    child: Callable[[str], None], tmp_path: Path
) -> None:
    child(f"open({str(tmp_path / 'started')!r}, 'w')")
    (facts,) = measured_engines(wanted("torch"), bench(tmp_path, left_s=0), str)
    assert facts.reason == "the budget of time left no room for it."
    assert not (tmp_path / "started").exists()


def test_the_file_is_what_the_analysis_reads(tmp_path: Path) -> None:
    missing = EngineFacts("onnxruntime", CPU, ("litserve",), False, "expected, found, do.")
    found = engine_facts({**FOUND, "used_by": ["fastapi-tuned"]})
    write_engines(tmp_path, [found, missing])
    assert [path.name for path in tmp_path.iterdir()] == ["engines.json"]
    raw = json.loads((tmp_path / "engines.json").read_text())
    assert raw["schema_version"] == SCHEMA_VERSION
    assert raw["engines"][0] == {**FOUND, "used_by": ["fastapi-tuned"]}
    assert read_engines(tmp_path) == (found, missing)


def test_one_line_says_which_engine_runs_where_and_how_fast() -> None:
    facts = engine_facts({**FOUND, "used_by": ["litserve", "triton"]})
    assert in_words(facts) == (
        "torch on cpu, fp32 (for litserve, triton): torch 2.11.0 on NVIDIA H200, at best 8000 "
        "texts/s (64 of 32 tokens); 99.9% of 1000 labels as in FP32, logits within 0.012"
    )


def test_one_line_says_why_an_engine_is_unavailable() -> None:
    on_gpu = Placement("cuda", cuda_graphs=True)
    facts = EngineFacts("torch", on_gpu, ("litserve",), False, "expected a GPU.")
    assert in_words(facts) == (
        "torch on cuda, fp32, CUDA graphs (for litserve): unavailable: expected a GPU."
    )


def test_the_progress_prints_one_line_an_engine() -> None:
    printed = StringIO()
    with RunProgress(Console(file=printed, width=40), lambda _: "") as progress:
        progress.engine_underway("check [of 42] ...", 10)
        progress.engine_measured(EngineFacts("torch", CPU, ("[a]",), False, "no [GPU]."), 10)
    line = "engine torch on cpu, fp32 (for [a]): unavailable: no [GPU]."
    assert [text.strip() for text in printed.getvalue().splitlines() if "engine" in text] == [line]


def test_a_simulated_device_is_not_measured_but_read_from_its_curve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(measuring, "_run", lambda *_: pytest.fail("a process was started"))
    curve = curve_named("t4-fp16-tensorrt")
    what = WantedEngine("replay", Placement(curve=curve.name), ("triton-simulated",))
    (facts,) = measured_engines([what], bench(tmp_path, left_s=0), str)
    assert facts.available
    assert facts.precision_check is None
    assert (facts.version, facts.device_name) == (curve.label, "simulated NVIDIA T4 16GB")
    assert facts.rate_at(2, 16) == pytest.approx(2 / curve.pass_s(2, 16))
    assert in_words(facts).startswith(
        "replay on simulated t4-fp16-tensorrt (for triton-simulated): simulated device: NVIDIA T4"
    )
    write_engines(tmp_path, [facts])
    assert read_engines(tmp_path) == (facts,)


def test_a_curve_that_is_not_there_is_the_reason(tmp_path: Path) -> None:
    what = WantedEngine("replay", Placement(curve="a101"), ("a",))
    (facts,) = measured_engines([what], bench(tmp_path), str)
    assert not facts.available
    assert facts.reason.startswith("expected a curve")


def test_one_curve_is_one_engine_whatever_it_stands_for() -> None:
    known, options = discover(), {"curve": "t4-fp16-tensorrt"}
    as_published = known["fastapi"].variant("a", options, "replay")
    on_gpu = known["triton"].variant("b", {"device": "cuda", **options}, "replay")
    (found,) = wanted_engines([as_published, on_gpu])
    assert found == WantedEngine("replay", Placement(curve="t4-fp16-tensorrt"), ("a", "b"))


def test_a_profile_is_made_on_the_cores_of_a_server_and_names_its_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], *_: object) -> str:
        commands.append(command)
        return "measuring it ended with exit code 2: expected a GPU, found none."

    monkeypatch.setattr(measuring, "_run", run)
    on_gpu = WantedEngine("torch", Placement("cuda", cuda_graphs=True), ())
    with pytest.raises(ProfileError) as refused:
        profile_engine(on_gpu, bench(tmp_path), tmp_path / "a.toml", "study profile torch", str)
    assert str(refused.value) == "expected a GPU, found none."
    (command,) = commands
    assert command[command.index("servers.classifier") + 1] == "profile"
    assert command[command.index("--said") + 1] == "study profile torch"
    assert "--cuda-graphs" in command
    assert "--curve" not in command
