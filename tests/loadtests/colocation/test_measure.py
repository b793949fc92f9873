"""What the models of one Triton lose beside each other: the plan, the rows, the command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tritonclient.grpc import service_pb2
from typer.testing import CliRunner

from loadtests.colocation import measure as colocation_module
from loadtests.colocation.drive import Bench, in_window
from loadtests.colocation.plan import (
    CLASSIFIER,
    MODELS,
    WARMUP_S,
    ColocationSpec,
    common_window,
    facts_of_colocated_models,
    groups,
    planned,
)
from loadtests.colocation.requests import inputs_by_model, serialised
from loadtests.launch.server import LaunchError, RunningServer
from loadtests.records.tables import read_requests
from loadtests.wire.address import Address
from loadtests.wire.formats import Answer, AnswerError, PreparedWire, wire_from
from servers.discovery import Contender, discover
from servers.triton_service.colocated.sizes import colocated_models
from study import app

SPEC = ColocationSpec(
    device="cpu",
    precision="fp32",
    engine=None,
    colocated_models=None,
    seconds=1.0,
    callers=2,
    repeats=3,
    pairs=False,
    seed=11,
)


def test_a_model_is_driven_alone_with_all_others_and_in_pairs_if_asked() -> None:
    assert groups(pairs=False) == [*((model,) for model in MODELS), MODELS]
    assert groups(pairs=True)[3:6] == [
        ("classifier", "vision"),
        ("classifier", "recommender"),
        ("vision", "recommender"),
    ]


def test_what_was_measured_across_a_restart_of_triton_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(colocation_module, "measure", lambda *_: None)
    broken = SimpleNamespace(broken=lambda: "triton did not run without a break", log_tail=tuple)
    place = SimpleNamespace(say=lambda _: None)
    bench = Bench(broken, {}, {}, SPEC, place, tmp_path)  # type: ignore[arg-type]  # stand-ins
    with pytest.raises(LaunchError, match="did not run without a break"):
        colocation_module._measure_all(bench)


def test_every_block_has_all_companies_in_an_order_of_its_own() -> None:
    plan = planned(replace(SPEC, repeats=8))
    orders = [[group for number, group in plan if number == block] for block in range(1, 9)]
    assert all(sorted(order) == sorted(groups(False)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert planned(replace(SPEC, repeats=8)) == plan
    assert planned(replace(SPEC, repeats=8, seed=12)) != plan


def test_on_a_gpu_the_classifier_runs_in_pytorch_with_graphs_beside_full_colocated_models() -> None:
    on_gpu = replace(SPEC, device="cuda", precision="fp16")
    contender = on_gpu.contender(discover()["triton"])
    assert contender.engine == "torch"
    wanted = {
        "device": "cuda",
        "precision": "fp16",
        "cuda_graphs": True,
        "colocated_models": "full",
    }
    assert wanted.items() <= contender.options.items()
    by_onnx = replace(on_gpu, engine="onnxruntime").contender(discover()["triton"])
    assert (by_onnx.engine, by_onnx.options["cuda_graphs"]) == ("onnxruntime", False)


def test_on_a_cpu_it_is_the_contender_of_the_study_beside_small_colocated_models() -> None:
    triton = discover()["triton"]
    contender = SPEC.contender(triton)
    assert contender.engine == triton.engine
    assert contender.options == {**triton.options, "colocated_models": "small"}


def test_the_window_starts_when_the_last_client_is_warm_and_ends_before_the_first_stops() -> None:
    driven_s = WARMUP_S + 5.0 + 2.0
    assert common_window([10.0, 11.5], driven_s, seconds=5.0) == (11.5 + WARMUP_S, 5.0)
    start_s, length_s = common_window([10.0, 13.0], driven_s, seconds=5.0) or (0.0, 0.0)
    assert start_s + length_s == 10.0 + driven_s
    assert common_window([10.0, 15.0], driven_s, seconds=5.0) is None


def test_rows_count_from_the_start_of_the_window() -> None:
    rows = pd.DataFrame({"scheduled_s": [0.5, 2.0, 6.9, 7.1]})
    rows["sent_s"], rows["done_s"] = rows["scheduled_s"], rows["scheduled_s"] + 0.1
    moved = in_window(rows, later_s=-2.0, window_s=5.0)
    assert moved["phase"].tolist() == ["warm-up", "steady", "steady", "warm-up"]
    assert moved["done_s"].tolist() == pytest.approx([-1.4, 0.1, 5.0, 5.2])


def test_what_the_models_said_of_themselves_is_found_in_the_log() -> None:
    log = (
        'I1 start\ncolocated_model {"model": "vision", "weights": 3}\nE2 colocated_model of none\n'
    )
    assert facts_of_colocated_models(log) == [{"model": "vision", "weights": 3}]


def test_the_requests_of_all_models_follow_from_the_seed(artefacts: Any) -> None:
    models = colocated_models("small")
    one, again, other = (inputs_by_model(artefacts, models, seed) for seed in (1, 1, 2))
    for model in MODELS:
        sent = [serialised(model, tensors) for tensors in one[model]]
        assert sent == [serialised(model, tensors) for tensors in again[model]]
        assert sent != [serialised(model, tensors) for tensors in other[model]]
        assert len(set(sent)) > len(sent) / 2


def test_a_request_carries_raw_tensors_and_asks_the_classifier_for_numbers_only() -> None:
    ids = np.arange(6, dtype=np.int64).reshape(1, 6)
    request = service_pb2.ModelInferRequest.FromString(serialised(CLASSIFIER, {"input_ids": ids}))
    (tensor,) = request.inputs
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("input_ids", "INT64", [1, 6])
    assert list(request.raw_input_contents) == [ids.tobytes()]
    assert [output.name for output in request.outputs] == ["logits"]


def test_prepared_requests_are_sent_as_they_lie_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "7.request").write_bytes(b"\x01\x02")
    wire = PreparedWire(model="vision", folder=str(tmp_path))
    found = wire_from("kserve-grpc", json.loads(json.dumps(asdict(wire))))
    assert found == wire
    assert found.encode("7.request") == b"\x01\x02"


def test_the_answer_of_a_prepared_request_is_its_model_and_largest_number() -> None:
    numbers = np.array([[0.25, 0.75, -1.0]], dtype=np.float32)
    response = service_pb2.ModelInferResponse(model_name="vision")
    response.outputs.add(name="logits", datatype="FP32", shape=numbers.shape)
    response.raw_output_contents.append(numbers.tobytes())
    assert PreparedWire().decode(response.SerializeToString()) == Answer("vision", 0.75)
    for nothing in (b"", b"\xff"):
        with pytest.raises(AnswerError, match="expected a ModelInferResponse"):
            PreparedWire().decode(nothing)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is an NVIDIA GPU here")
def test_without_a_gpu_the_device_cuda_is_refused_before_anything_is_written(
    tmp_path: Path, artefacts: Any
) -> None:
    done = CliRunner().invoke(app, ["colocate", "--device", "cuda", "--results", str(tmp_path)])
    assert done.exit_code == 2
    assert "expected an NVIDIA GPU for --device cuda, found none" in done.output
    assert list(tmp_path.iterdir()) == []


def command(results: Path, *more: str) -> list[str]:
    short = ["--seconds", "1", "--repeats", "1", "--callers", "2", "--results", str(results)]
    return ["colocate", *short, *more]


@pytest.mark.live
def test_three_models_are_measured_alone_and_together(
    tmp_path: Path, artefacts: Any, shared_triton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def already_running(contender: Contender, **_: object) -> Iterator[RunningServer]:
        assert contender == SPEC.contender(discover()["triton"])  # as it was started
        process, ports, log = shared_triton.process, shared_triton.ports, shared_triton.log
        address = Address(contender.protocol, "127.0.0.1", ports.main)
        yield RunningServer(contender, address, ports, process, log)

    monkeypatch.setattr(colocation_module, "launched", already_running)
    for module in ("plan", "drive"):
        monkeypatch.setattr(f"loadtests.colocation.{module}.WARMUP_S", 0.2)
    done = CliRunner().invoke(app, command(tmp_path))
    assert done.exit_code == 0, done.output
    (folder,) = tmp_path.iterdir()
    assert (folder / "colocation.md").read_text() in done.output
    record = json.loads((folder / "colocation.json").read_text())
    assert [tuple(m["group"]) for m in sorted(record["measured"], key=by_order)] == [
        group for _, group in planned(replace(SPEC, repeats=1, seed=record["settings"]["seed"]))
    ]
    assert {fact["device"] for fact in record["colocated_models"]} == {"cpu"}
    together = next(m for m in record["measured"] if len(m["group"]) == 3)
    for taken in record["measured"]:
        for model in taken["group"]:
            rows = read_requests(folder / taken["folder"] / model)
            ok = rows[rows["status"] == "ok"]
            assert len(ok) == len(rows) > 0
            expected = np.array(record["answers"][model])[ok["text_id"]]
            kept = ok["label"].notna()
            assert set(ok.loc[kept, "label"]) == {model}
            assert ok.loc[kept, "confidence"].to_numpy() == pytest.approx(expected[kept], rel=1e-3)
    windows = [read_requests(folder / together["folder"] / model) for model in MODELS]
    # All of them were at work in the window that they share.
    assert all((rows["phase"] == "steady").any() for rows in windows)


def by_order(measured: dict[str, Any]) -> int:
    return int(measured["order"])


def test_a_stopped_measurement_leaves_nothing_written(
    tmp_path: Path, artefacts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def stopped(*_: object, log: Path, **__: object) -> Iterator[None]:
        log.write_text("starting")
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(colocation_module, "launched", stopped)
    done = CliRunner().invoke(app, command(tmp_path))
    assert done.exit_code == 130
    assert "Stopped; nothing was written." in done.output
    assert list(tmp_path.iterdir()) == []
