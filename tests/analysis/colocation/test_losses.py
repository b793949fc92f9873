"""What is read out of the rows of a measurement of co-location."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.claims.judge import ClaimVerdict
from analysis.colocation.losses import Colocation, colocation
from analysis.colocation.page import write_page
from analysis.report.claims_page import claims_of
from loadtests.records.stored import SCHEMA_VERSION, RecordError
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table

from ..damage import COLUMN_CHANGES, FIELD_VALUES, FILE_DAMAGES, column_damages, field_damages

SEED, SAMPLED = 20261129, 2

ANSWERS = [0.5, 2.0]
WINDOW_S = 2.0
ALONE, BOTH = ("vision",), ("vision", "recommender")


def rows(n: int, model: str, *, service_s: float = 0.01, gap: float = 0.0) -> pd.DataFrame:
    """n requests spread evenly over the window, all answered; each tenth answer was kept."""
    sent_s = [k * WINDOW_S / n for k in range(n)]
    frame = pd.DataFrame({"scheduled_s": sent_s, "sent_s": sent_s, "phase": "steady"})
    frame["request_index"] = range(n)
    frame["text_id"] = frame["request_index"] % 2
    frame["done_s"] = frame["sent_s"] + service_s
    frame["status"], frame["worker"] = "ok", 0
    kept = frame["request_index"] % 10 == 0
    frame["label"] = pd.Series(model, index=frame.index).where(kept, None)
    frame["confidence"] = frame["text_id"].map(dict(enumerate(ANSWERS))) * (1 + gap)
    return frame


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A folder with these rows by block, group and model, e.g. {(1, ALONE): {"vision": rows}}."""

    def make(
        measured: dict[tuple[int, tuple[str, ...]], dict[str, pd.DataFrame]],
        *,
        precision: str = "fp32",
        client_cpu_s: float | None = 0.1,
        client_core: dict[str, int] | None = None,
        telemetry: pd.DataFrame | None = None,
    ) -> Path:
        entries = []
        for (block, group), by_model in measured.items():
            name = f"{block}-{'+'.join(group)}"
            for model, frame in by_model.items():
                (tmp_path / name / model).mkdir(parents=True)
                target = tmp_path / name / model / "requests.parquet"
                write_table(target, frame, REQUESTS_SCHEMA)
            if telemetry is not None:
                write_table(tmp_path / name / "telemetry.parquet", telemetry, TELEMETRY_SCHEMA)
            entries.append(
                {
                    "block": block,
                    "group": group,
                    "window_s": WINDOW_S,
                    "client_cpu_s": dict.fromkeys(group, client_cpu_s),
                    "client_core": client_core or {m: k for k, m in enumerate(group)},
                    "folder": name,
                }
            )
        record: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "created_at": "2026-11-22T03:00:00+00:00",
            "command": "study colocate",
            "machine": {
                "platform": "Linux",
                "cpu_model": "a CPU",
                "cpu_count": 8,
                "memory_bytes": 2**34,
                "gpu": {"name": "NVIDIA H200", "driver": "1"},
                "python": "3.11",
            },
            "git": {"commit": "0" * 40, "dirty": False},
            "cores": {"server": [0], "load": [1, 2, 3]},
            "model": {"name": "base", "digest": "a", "weights": "seeded"},
            "contender": {"engine": "torch"},
            "colocated_models": [
                {"model": "vision", "weights": 25_557_032, "precision": precision, "device": "cuda"}
            ],
            "settings": {
                **{"precision": precision, "device": "cuda", "colocated_models": "full", "seed": 3},
                **{"callers": 16, "seconds": WINDOW_S, "repeats": 3},
            },
            "answers": {"vision": ANSWERS, "recommender": ANSWERS},
            "measured": entries,
        }
        (tmp_path / "colocation.json").write_text(json.dumps(record), encoding="utf-8")
        return tmp_path

    return make


def blocks(alone: list[int], together: list[int], **changes: Any) -> Any:
    """Requests of the vision model in each block; beside it the recommender, both also alone."""
    found: Any = {}
    for block, (first, second) in enumerate(zip(alone, together, strict=True), start=1):
        found[block, ALONE] = {"vision": rows(first, "vision")}
        found[block, ("recommender",)] = {"recommender": rows(1000, "recommender")}
        found[block, BOTH] = {
            "vision": rows(second, "vision", **changes),
            "recommender": rows(500, "recommender"),
        }
    return found


def vision(found: Colocation) -> Any:
    return next(loss for loss in found.losses if loss.together.model == "vision")


def test_a_loss_is_the_share_of_the_rate_alone_that_is_gone_together(write: Write) -> None:
    loss = vision(colocation(write(blocks([1000, 1040, 960], [400, 420, 380]))))
    assert loss.alone.rate_rps == pytest.approx(500, rel=0.02)
    assert loss.together.rate_rps == pytest.approx(200, rel=0.02)
    assert loss.loss == pytest.approx(0.6, abs=0.01)
    assert loss.low < 0.6 < loss.high
    assert loss.low > 0.5
    assert loss.high < 0.7


def test_an_interval_needs_two_blocks(write: Write) -> None:
    loss = vision(colocation(write(blocks([1000], [400]))))
    assert loss.loss == pytest.approx(0.6, abs=0.02)
    assert (loss.low, loss.high) == (None, None)


def test_answers_that_left_after_the_window_are_no_part_of_the_rate(write: Write) -> None:
    late = blocks([1000, 1000], [1000, 1000], service_s=WINDOW_S / 2)
    assert vision(colocation(write(late))).loss == pytest.approx(0.5, abs=0.01)


def test_percentiles_are_of_service_times_and_stated_only_where_enough_succeeded(
    write: Write,
) -> None:
    loss = vision(colocation(write(blocks([600, 600], [300, 300], service_s=0.02))))
    assert loss.alone.service_p99_ms == pytest.approx(10)
    assert loss.together.service_p50_ms == pytest.approx(20)
    assert loss.together.service_p99_ms is None


def test_failures_and_the_answers_of_others_are_named(write: Write) -> None:
    measured = blocks([1000, 1000], [400, 400])
    bad = measured[2, BOTH]["vision"]
    bad.loc[3:5, "status"] = "timeout"
    bad.loc[bad["label"].notna(), "label"] = "recommender"
    found = colocation(write(measured))
    assert vision(found).together.n_failed == 3
    assert vision(found).together.n_wrong == 40
    assert [w for w in found.warnings if "3 of 800 requests failed" in w]
    assert [w for w in found.warnings if "40 of 80 sampled answers differ" in w]


@pytest.mark.parametrize(("precision", "n_wrong"), [("fp32", 40), ("fp16", 0)])
def test_how_far_answers_may_differ_depends_on_the_precision(
    write: Write, precision: str, n_wrong: int
) -> None:
    folder = write(blocks([1000], [400], gap=0.01), precision=precision)
    load = vision(colocation(folder)).together
    assert load.n_wrong == n_wrong
    # Kept are the answers 0.5; the mean of both is 1.25.
    assert load.largest_gap == pytest.approx(0.01 * 0.5 / 1.25, rel=0.01)


def test_a_client_near_its_ceiling_is_named_and_clients_of_one_core_count_together(
    write: Write,
) -> None:
    one_core = {"vision": 5, "recommender": 5}
    found = colocation(
        write(blocks([1000], [400]), client_cpu_s=0.3 * WINDOW_S, client_core=one_core)
    )
    assert vision(found).alone.client_busy == pytest.approx(0.3)
    assert vision(found).together.client_busy == pytest.approx(0.6)
    assert [w.split(":")[0] for w in found.warnings] == [
        "vision in vision + recommender",
        "recommender in vision + recommender",
    ]


def test_a_client_that_was_not_sampled_is_no_idle_client(write: Write) -> None:
    found = colocation(write(blocks([1000], [400]), client_cpu_s=None))
    assert vision(found).alone.client_busy is None


def test_gpu_figures_are_means_over_the_window(write: Write) -> None:
    samples = pd.DataFrame({"t_s": [-1.0, 0.5, 1.5], "gpu_busy_pct": [0.0, 80.0, 90.0]})
    samples["gpu_sm_active_ratio"] = [0.0, 0.2, 0.4]
    samples["gpu_throttle_reasons"] = [0x1, 0x1, 0x40]
    found = colocation(write(blocks([1000], [400]), telemetry=samples))
    together = found.gpu[-1]
    assert together.group == BOTH
    assert (together.busy_ratio, together.sm_active_ratio) == pytest.approx((0.85, 0.3))
    assert together.power_w is None
    assert [w for w in found.warnings if "the GPU lowered its clocks in 50 % of the samples" in w]


def test_the_page_says_what_was_lost_and_that_the_weights_are_seeded(write: Write) -> None:
    page = write_page(write(blocks([1000, 1000], [400, 400]))).read_text(encoding="utf-8")
    assert re.search(r"^\| vision \| recommender \| 49\d\.\d \| 19\d\.\d \| 60 % \|", page, re.M)
    assert "25,557,032 weights" in page
    assert "Seeded weights: speed only, its answers mean nothing." in page
    assert "time busy" not in page  # there was no telemetry of a GPU


def test_what_co_located_models_cost_on_a_gpu_judges_the_claim_that_they_do_not_disturb(
    write: Write,
) -> None:
    folder = write(blocks([200, 200, 200], [100, 100, 100]))
    claims = {claim.id: claim for claim in claims_of(folder)}
    readings = claims["sharing"].readings
    assert {r.of: r.value for r in readings} == pytest.approx(
        {"vision": 0.5, "recommender": 0.5}, abs=0.01
    )
    assert all(r.beside == ["vision", "recommender"] for r in readings)
    assert claims["sharing"].verdict is ClaimVerdict.FAILS
    assert [claim.id for claim in claims.values() if claim.readings] == ["sharing"]


def test_what_co_located_models_cost_on_a_cpu_says_nothing_of_a_gpu(write: Write) -> None:
    folder = write(blocks([200, 200], [100, 100]))
    record = json.loads((folder / "colocation.json").read_text())
    record["settings"]["device"] = "cpu"
    (folder / "colocation.json").write_text(json.dumps(record))
    assert not any(claim.readings for claim in claims_of(folder))


@pytest.mark.parametrize("kind", ["removed", *FIELD_VALUES])
def test_a_damaged_field_is_read_or_refused_in_a_sentence(kind: str, write: Write) -> None:
    path = write(blocks([200], [100])) / "colocation.json"
    content = path.read_bytes()
    damages = field_damages(json.loads(content), kind)
    for damage in random.Random(SEED).sample(damages, SAMPLED):
        damage(path)
        read_or_refused(path.parent)
        path.write_bytes(content)


@pytest.mark.parametrize("kind", COLUMN_CHANGES)
def test_a_damaged_column_is_read_or_refused_in_a_sentence(kind: str, write: Write) -> None:
    path = write(blocks([200], [100])) / "1-vision/vision/requests.parquet"
    content = path.read_bytes()
    damages = column_damages(REQUESTS_SCHEMA.names, kind)
    for damage in random.Random(SEED).sample(damages, SAMPLED):
        damage(path)
        read_or_refused(path.parents[2])
        path.write_bytes(content)


@pytest.mark.parametrize("kind", FILE_DAMAGES)
def test_a_damaged_colocation_json_is_refused(kind: str, write: Write) -> None:
    path = write(blocks([200], [100])) / "colocation.json"
    FILE_DAMAGES[kind](path)
    assert read_or_refused(path.parent)


def read_or_refused(folder: Path) -> bool:
    sentence = ""
    try:
        write_page(folder)
    except RecordError as refused:
        sentence = str(refused)
    assert "\n" not in sentence
    assert not sentence or str(folder) in sentence
    return bool(sentence)
