"""Comparing this project's client with perf_analyzer and wrk; what they print was recorded."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

from loadtests.generator.schedule import Schedule
from loadtests.host.cores import available_cores
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import LaunchError
from loadtests.records.steady_state import steady_state
from loadtests.records.trials import Level, Phases
from loadtests.selfcheck import crosscheck as crosscheck_module
from loadtests.selfcheck import perf_analyzer_tool, wrk_tool
from loadtests.selfcheck.crosscheck import CrosscheckSpec, Place, crosscheck, write_crosscheck
from loadtests.selfcheck.crosscheck_table import ToolPair, markdown, ratio
from loadtests.selfcheck.outside_tools import Tool, ToolError, ToolLoad, ToolMeasurement, run_tool
from loadtests.selfcheck.own_client import OwnRun
from loadtests.wire.address import Address
from loadtests.wire.probe import settled_counters
from loadtests.wire.texts import read_traffic
from servers.discovery import discover

# perf_analyzer 2.51.0 against the contender triton: 150 requests/s, which it could send, ...
CSV_HEAD = (
    "Request Rate,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,"
    "Server Compute Input,Server Compute Infer,Server Compute Output,Client Recv,"
    "p50 latency,p90 latency,p95 latency,p99 latency\n"
)
FIGURES = CSV_HEAD + "150,141.735,21,4805,2,159,8207,1375,4,11456,29389,35715,47642\n"
PRINTED = """\
 Successfully read data for 1 stream/streams with 500 step/steps.
*** Measurement Settings ***
  Batch size: 1
  Service Kind: TRITON
  Using "time_windows" mode for stabilization
  Stabilizing using p99throughput
  Measurement window: 2000 msec
  Using poisson distribution on request generation
  Using asynchronous calls for inference

Request Rate: 150 inference requests per seconds
  Client:\x20
    Request count: 1023
    Throughput: 141.735 infer/sec
    p50 latency: 11456 usec
    p90 latency: 29389 usec
    p95 latency: 35715 usec
    p99 latency: 47642 usec
    Avg gRPC time: 14559 usec ((un)marshal request/response 25 usec + response wait 14534 usec)
  Server:\x20
    Inference count: 1023
    Execution count: 1023
    Successful request count: 1023
"""
# ... and 1,500 requests/s, which neither it nor the server could keep up with.
LATE_FIGURES = (
    CSV_HEAD + "1500,179.162,4,2364139,2,2181,184782,7878,0,2613552,4339202,4625411,4750422\n"
)
LATE_PRINTED = """\
Request Rate: 1500 inference requests per seconds
  Client:\x20
    Request count: 970
    Avg send request rate: 1478.76 infer/sec
    [WARNING] Perf Analyzer was not able to keep up with the desired request rate. 47.22% of the \
requests were delayed.\x20
    Throughput: 179.16 infer/sec
"""
REFUSED = (
    "error: failed to get model metadata: failed to connect to all addresses; last error: "
    "UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused"
)

# wrk 4.1.0 against the contender fastapi-onnx, 4 connections for 3 s; then against a wrong path.
WRK_PRINTED = """\
Running 3s test @ http://127.0.0.1:48375/predict
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    21.41ms    8.34ms  62.63ms   77.95%
    Req/Sec   187.47     57.66   320.00     53.33%
  565 requests in 3.03s, 116.80KB read
Requests/sec:    186.64
Transfer/sec:     38.58KB
crosscheck {"duration_us": 3027199, "requests": 565, "error_statuses": 0, "socket_errors": 0, \
"p50_us": 20480, "p99_us": 56163}
"""
WRK_404 = """\
  2061 requests in 1.00s, 309.96KB read
  Non-2xx or 3xx responses: 2061
Requests/sec:   2053.77
Transfer/sec:    308.87KB
crosscheck {"duration_us": 1003522, "requests": 2061, "error_statuses": 2061, "socket_errors": 0, \
"p50_us": 784, "p99_us": 25842}
"""

OPEN, CLOSED = Level("open", rate_rps=150.0), Level("closed", concurrency=4)
SPEC = CrosscheckSpec(rate_rps=200, concurrency=2, rounds=2, seed=7)
NO_TOOLS = {"kserve-grpc": None, "http-json": None}

needs_wrk = pytest.mark.skipif(wrk_tool.find() is None, reason=wrk_tool.MISSING)
needs_perf_analyzer = pytest.mark.skipif(sys.platform != "linux", reason="the binary is for Linux")


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., ToolLoad]:
    def make(level: Level, port: int = 9000, protocol: str = "http-json") -> ToolLoad:
        address = Address(protocol, "127.0.0.1", port)  # type: ignore[arg-type] - a literal
        traffic = tmp_path / "traffic.jsonl"
        entries = [
            {"text_id": k, "text": text, "n_tokens": 3, "label": "null", "confidence": 1.0}
            for k, text in enumerate(("one", "两"))
        ]
        traffic.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        schedule = Schedule(np.array([0.25, 0.2501, 1.5]), np.array([0, 1, 0], dtype=np.int32))
        return ToolLoad(address, level, 6, schedule, traffic, (), False, tmp_path)

    return make


@pytest.fixture
def place(traffic_file: Path, tmp_path: Path) -> Place:
    artefacts = Artefacts(tmp_path, traffic_file, read_traffic(traffic_file), {}, {})
    cores = dict.fromkeys(("server", "load"), available_cores())
    return Place(artefacts, cores, lambda text: None)


def shell_tool(script: str) -> tuple[Tool, list[str]]:
    return Tool("sh", "1", Path("/bin/sh")), ["-c", script]


def test_perf_analyzer_is_asked_for_poisson_arrivals_over_grpc(load) -> None:
    command = perf_analyzer_tool.arguments(load(OPEN), Path("in.json"), Path("out.csv"), None)
    assert " ".join(command) == (
        "-m text_classifier -i grpc -u 127.0.0.1:9000 --async --request-rate-range 150 "
        "--request-distribution poisson --input-data in.json --percentile 99 "
        "--measurement-interval 2000 --max-trials 3 --stability-percentage 1000 -f out.csv"
    )


def test_perf_analyzer_plays_the_texts_in_their_order() -> None:
    assert json.loads(perf_analyzer_tool.input_data(["b", "两", "b"])) == {
        "data": [{"TEXT": {"content": [text], "shape": [1]}} for text in ("b", "两", "b")]
    }


def test_perf_analyzer_can_replay_the_arrivals_of_the_schedule(load) -> None:
    asked = load(OPEN)
    command = perf_analyzer_tool.arguments(asked, Path("in"), Path("out"), Path("gaps.txt"))
    assert "--request-intervals gaps.txt --input-data" in " ".join(command)
    assert "--request-rate-range" not in command
    assert perf_analyzer_tool.intervals(asked.schedule) == "250000\n100\n1249900\n"
    assert asked.texts() == ["one", "两", "one"]


def test_perf_analyzers_figures_are_read() -> None:
    assert perf_analyzer_tool.parse(FIGURES, PRINTED) == ToolMeasurement(
        n_ok=1023,
        n_failed=0,
        throughput_rps=141.735,
        p50_ms=11.456,
        p99_ms=47.642,
        late_ratio=0.0,
    )


def test_requests_that_perf_analyzer_sent_late_are_read_and_a_p99_of_few_is_not_stated() -> None:
    measured = perf_analyzer_tool.parse(LATE_FIGURES, LATE_PRINTED)
    assert measured.late_ratio == pytest.approx(0.4722)
    assert measured.n_ok == 970
    assert measured.p99_ms is None


@pytest.mark.parametrize(("figures", "printed"), [("", PRINTED), (FIGURES, "nothing")])
def test_no_figures_from_perf_analyzer_is_an_error(figures: str, printed: str) -> None:
    with pytest.raises(ToolError, match="expected figures from perf_analyzer, found none"):
        perf_analyzer_tool.parse(figures, printed)


def test_wrk_uses_one_thread_and_the_prepared_bodies(load) -> None:
    assert wrk_tool.arguments(load(CLOSED), Path("bodies.txt")) == [
        *("--threads", "1", "--connections", "4", "--duration", "6s", "--timeout", "10s"),
        *("--script", str(wrk_tool.SCRIPT), "http://127.0.0.1:9000/predict", "--", "bodies.txt"),
    ]
    assert wrk_tool.SCRIPT.is_file()


def test_wrks_figures_are_read() -> None:
    measured = wrk_tool.parse(WRK_PRINTED)
    assert measured.throughput_rps == pytest.approx(186.64, abs=0.01)
    assert (measured.n_ok, measured.n_failed, measured.p50_ms) == (565, 0, 20.48)
    assert measured.p99_ms is None  # of 565 successes


def test_error_statuses_are_failures_although_wrk_counts_them_as_requests() -> None:
    assert wrk_tool.parse(WRK_404) == ToolMeasurement(0, 2061, 0.0, None, None)


def test_no_figures_from_wrk_is_an_error() -> None:
    with pytest.raises(ToolError, match="expected a line of figures from wrk, found none"):
        wrk_tool.parse("Running 3s test")


def test_service_times_are_corrected_as_wrk_corrects_its_own() -> None:
    # wrk's loop for a sample of 45 and an interval of 10: adds 35, 25, 15, and stops above 10.
    found = wrk_tool.corrected(np.array([10.0, 19.0, 20.0, 45.0]), 10.0)
    assert sorted(found) == [10, 15, 19, 20, 25, 35, 45]


def own_run(service_time_s: np.ndarray, n_failed: int, window_s: float) -> OwnRun:
    """Of four callers: requests of these service times, and some that failed."""
    done_s = np.append(service_time_s, np.full(n_failed, np.nan))
    status = ["ok"] * len(service_time_s) + ["timeout"] * n_failed
    rows = pd.DataFrame({"done_s": done_s, "status": status, "phase": "steady"})
    return OwnRun(steady_state(rows.assign(scheduled_s=0.0, sent_s=0.0), Phases(0, window_s)), 4)


def test_the_clients_own_figures_follow_the_same_rules() -> None:
    times_s = np.arange(1, 1001) / 1000
    figures = own_run(times_s, 3, window_s=20.0).figures()
    assert figures == ToolMeasurement(1000, 3, 50.0, 500.0, 990.0)
    assert own_run(times_s[:999], 0, window_s=20.0).figures().p99_ms is None
    assert own_run(np.empty(0), 0, window_s=20.0).figures().p50_ms is None


def test_a_correction_gets_the_mean_interval_of_one_connection() -> None:
    run = own_run(np.full(50, 0.1), 0, window_s=1.0)
    heard = []
    run.figures(lambda times_s, interval_s: heard.append(interval_s) or times_s)
    assert heard == [pytest.approx(0.08)]


def test_a_tool_that_fails_is_reported_with_the_last_thing_it_said(tmp_path: Path) -> None:
    tool, arguments = shell_tool(f"echo '{REFUSED}'; echo; exit 99")
    with pytest.raises(ToolError, match=r"found exit code 99; it last printed: error: failed to"):
        run_tool(tool, arguments, (), tmp_path / "log", within_s=20)


def test_a_tool_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    tool, arguments = shell_tool("echo $$; exec sleep 60")
    with pytest.raises(ToolError, match="found still running after 1 s") as caught:
        run_tool(tool, arguments, (), tmp_path / "log", within_s=1)
    assert not psutil.pid_exists(int(str(caught.value).split()[-1]))


def test_a_tool_that_is_missing_is_named_with_the_way_to_get_it(place: Place) -> None:
    contenders = [discover()["triton"], discover()["null-http"]]
    with pytest.raises(ToolError) as caught:
        crosscheck(contenders, NO_TOOLS, SPEC, place)
    assert "study crosscheck --fetch-perf-analyzer" in str(caught.value)
    assert "apt-get install wrk" in str(caught.value)


def test_a_contender_whose_tool_is_missing_is_skipped_and_the_rest_is_measured(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        crosscheck_module,
        "_check_one",
        lambda contender, tool, spec, place, pairs: pairs.append(
            make_pair(contender=contender.name)
        ),
    )
    contenders = [discover()["triton"], discover()["null-http"]]
    some = NO_TOOLS | {"http-json": Tool("wrk", "4", Path("wrk"))}
    pairs, skipped = crosscheck(contenders, some, SPEC, place)
    assert [pair.contender for pair in pairs] == ["null-http"]
    assert skipped == [f"triton: {perf_analyzer_tool.MISSING}"]


def test_a_round_across_a_restart_of_the_contender_is_not_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = SimpleNamespace(broken=lambda: "triton did not run without a break", log_tail=tuple)
    monkeypatch.setattr(crosscheck_module, "launched", lambda *_, **__: nullcontext(broken))
    monkeypatch.setattr(crosscheck_module, "_require_parity", lambda *_: None)
    monkeypatch.setattr(crosscheck_module, "_round", lambda *_: ["a pair"])
    pairs: list[ToolPair] = []
    with pytest.raises(LaunchError, match="did not run without a break"):
        crosscheck_module._check_one(
            discover()["triton"], Tool("perf_analyzer", "2", Path("tool")), SPEC, place, pairs
        )
    assert pairs == []


def test_rounds_are_long_enough_for_a_p99_and_never_very_short() -> None:
    assert replace(SPEC, rate_rps=100).steady_s == 11
    assert replace(SPEC, rate_rps=5000).steady_s == 6


def test_a_ratio_with_an_unknown_side_is_unknown() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is None
    assert ratio(2.0, None) is None
    assert ratio(2.0, 0.0) is None


def make_pair(**changes: object) -> ToolPair:
    tool = ToolMeasurement(1200, 0, 200.0, 10.0, 40.0, late_ratio=0.0)
    own = ToolMeasurement(1190, 1, 198.0, 11.0, 50.0)
    fields = {"contender": "triton", "level": OPEN, "round": 1, "first": "tool"}
    fields |= {"tool_name": "perf_analyzer", "tool": tool, "own": own, "own_as_tool": own}
    return ToolPair(**(fields | changes))  # type: ignore[arg-type] - of the fields' own types


RECORD = {
    "created_at": "2026-01-01T00:00:00+00:00",
    "command": "study crosscheck",
    "machine": {"cpu_model": "CPU", "cpu_count": 2, "gpu": None},
    "git": {"commit": "0123456789abcdef", "dirty": True},
    "versions": {"locust": "2.47.0"},
    "tools": {"perf_analyzer": "2.51.0"},
    "cores": {"server": [0], "load": [1]},
    "skipped": ["litserve: no wrk."],
}


def test_the_page_has_a_row_a_pair_with_ratios_of_own_over_tool() -> None:
    page = markdown(RECORD, [make_pair()])
    assert (
        "| triton | 150 rps, Poisson | perf_analyzer | 1 | 200.0 | 198.0 | 0.99 "
        "| 10.00 | 11.00 | 1.10 | 40.00 | 50.00 | 1.25 | 0 / 1 |"
    ) in page
    assert "0123456789ab with changes" in page
    assert "- Skipped: litserve: no wrk." in page


def test_the_page_says_from_where_latencies_count() -> None:
    assert "Latencies count from sending" in markdown(RECORD, [])


def test_the_page_compares_with_figures_computed_as_the_tool_computes_them() -> None:
    as_wrk = ToolMeasurement(1200, 0, 200.0, 20.0, None)
    page = markdown(RECORD, [make_pair(level=CLOSED, own_as_tool=as_wrk)])
    assert "| 4 callers | perf_analyzer | 1 | 200.0 | 200.0 | 1.00 | 10.00 | 20.00 | 2.00 " in page
    assert "| 40.00 | not stated | not stated |" in page


def test_the_page_gives_the_range_of_ratios_over_the_rounds() -> None:
    slower = ToolMeasurement(1200, 0, 100.0, 10.0, 40.0)
    page = markdown(RECORD, [make_pair(), make_pair(round=2, own_as_tool=slower)])
    assert "throughput 0.50 to 0.99; P50 1.00 to 1.10; P99 1.00 to 1.25." in page


def test_the_page_says_when_the_server_was_saturated() -> None:
    behind = ToolMeasurement(850, 0, 142.0, 900.0, None)  # of 150 a second
    page = markdown(RECORD, [make_pair(own=behind), make_pair(own=behind, tool_name="other")])
    assert page.count("fewer than 95 % of the arrivals (triton, round 1)") == 1
    kept_up = ToolMeasurement(860, 0, 143.0, 10.0, None)
    assert "backlog" not in markdown(RECORD, [make_pair(own=kept_up)])
    assert "backlog" not in markdown(RECORD, [make_pair(own=behind, level=CLOSED)])


def test_the_page_says_when_a_tool_sent_late() -> None:
    late = ToolMeasurement(1200, 0, 200.0, 10.0, 40.0, late_ratio=0.4722)
    page = markdown(RECORD, [make_pair(tool=late)])
    assert "perf_analyzer says that it sent 47 % of its requests late (triton, round 1)" in page
    assert "late (" not in markdown(RECORD, [make_pair()])


def fake_download(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip that brings a wheel of this content instead."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--dest") + 1])
        (folder / perf_analyzer_tool.WHEEL).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(perf_analyzer_tool.subprocess, "run", run)


@pytest.fixture
def wheel(tmp_path: Path) -> bytes:
    with zipfile.ZipFile(tmp_path / "wheel", "w") as archive:
        archive.writestr(
            perf_analyzer_tool.BINARY_IN_WHEEL, "#!/bin/sh\necho Perf Analyzer Version 2.51.0\n"
        )
    return (tmp_path / "wheel").read_bytes()


@needs_perf_analyzer
def test_perf_analyzer_is_taken_from_the_wheel_with_links_to_its_libraries(
    wheel: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_download(wheel, monkeypatch)
    monkeypatch.setattr(perf_analyzer_tool, "WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    library = tmp_path / "libb64-1.so.0d"
    library.touch()
    monkeypatch.setattr(perf_analyzer_tool, "_library", lambda pattern: library)
    for _ in range(2):  # a second time replaces the first
        perf_analyzer_tool.fetch(tmp_path / "tools")
    tool = perf_analyzer_tool.find(tmp_path / "tools")
    assert tool is not None
    assert tool.version == "2.51.0"
    assert (Path(tool.environment["LD_LIBRARY_PATH"]) / "libb64.so.0d").resolve() == library


def test_a_wheel_of_another_content_is_not_used(
    wheel: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_download(wheel, monkeypatch)
    monkeypatch.setattr(perf_analyzer_tool, "_library", lambda pattern: tmp_path)
    with pytest.raises(ToolError, match=r"expected tritonclient-2.51.0.* with sha256 .*, found "):
        perf_analyzer_tool.fetch(tmp_path / "tools")
    assert not (tmp_path / "tools").exists()


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf_analyzer_tool, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="expected libb64.* from the nvidia-pytriton wheel"):
        perf_analyzer_tool.fetch(Path("unused"))


@needs_wrk
def test_a_service_is_measured_by_wrk_and_by_the_own_client_and_both_are_kept(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crosscheck_module, "LEAST_STEADY_S", 1)
    spec = replace(SPEC, rate_rps=1200)  # a steady state of one second
    tools = NO_TOOLS | {"http-json": wrk_tool.find()}
    found = crosscheck([discover()["null-http"]], tools, spec, place)
    pairs, skipped = found
    assert skipped == []
    assert [(pair.round, pair.first) for pair in pairs] == [(1, "tool"), (2, "own")]
    for pair in pairs:
        for measured in (pair.tool, pair.own, pair.own_as_tool):
            assert measured.n_ok > 0
            assert measured.n_failed == 0
            assert measured.p50_ms is not None
    now = datetime(2026, 1, 1, tzinfo=UTC)
    page = write_crosscheck(tmp_path, found, tools, spec, place, "study crosscheck", now)
    assert page == tmp_path / "crosscheck-20260101-000000" / "crosscheck.md"
    record = json.loads((page.parent / "crosscheck.json").read_text(encoding="utf-8"))
    assert len(record["pairs"]) == 2
    assert record["pairs"][0]["tool"]["n_ok"] == pairs[0].tool.n_ok
    assert record["tools"]["wrk"]


@needs_wrk
def test_every_request_of_wrk_carries_a_text_of_the_traffic(
    load, null_server, tmp_path: Path
) -> None:
    server = null_server("null-http")
    before = settled_counters(server.address, 5)
    tool = wrk_tool.find()
    assert tool is not None
    short = replace(load(Level("closed", concurrency=2), server.address.port), steady_s=1)
    measured = wrk_tool.measure(tool, short)
    after = settled_counters(server.address, 5)
    assert before is not None
    assert after is not None
    # At the end one request a connection may be under way: answered, and not counted by wrk.
    assert 0 <= after["requests_ok"] - before["requests_ok"] - measured.n_ok <= 2
    assert after["requests_failed"] == before["requests_failed"]
    bodies = (tmp_path / "bodies.txt").read_text(encoding="utf-8").splitlines()
    assert [json.loads(body)["text"] for body in bodies] == ["one", "两", "one"]
