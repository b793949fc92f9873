"""Runs that are not set side by side, each refused in one sentence."""

from dataclasses import replace

import pytest

from analysis.agreement.agree import agreement
from analysis.agreement.comparable import AgreementError
from analysis.agreement.findings import read_findings
from servers.discovery import discover

from .runs import SERVICE_MS, changed

REMEDY = (
    ": such runs cannot agree; name runs that differ in nothing but time, machine, levels and "
    "further contenders."
)
SLO = {"percentile": 99, "latency_ms": 50, "max_error_ratio": 0.001}


def refused(*runs) -> str:
    with pytest.raises(AgreementError) as error:
        agreement(runs)
    return str(error.value)


@pytest.mark.parametrize(
    ("part", "values", "found"),
    [
        ("model", {"digest": "c" * 64}, f"the same model, found small with digest {'a' * 64} in "),
        ("traffic", {"digest": "d" * 64}, "the same texts, found synthetic with digest bbb"),
        ("experiment", {"slo": SLO}, "the same SLO, found P99 at most 100 ms and at most 0.10 % "),
        ("experiment", {"min_difference": 0.1}, "the same least difference, found 0.05 in "),
    ],
)
def test_what_all_runs_must_have_in_common(first, another, part, values, found):
    other = read_findings(changed(another(), part, **values).folder)
    sentence = refused(first, other)
    assert sentence.startswith(f"expected {found}")
    assert " in first and " in sentence
    assert sentence.endswith(f" in another{REMEDY}")


def test_other_arrivals_at_the_same_rate_are_another_load(first, another):
    run = another()
    run.manifest["experiment"]["load"]["arrivals"] = {"kind": "constant"}
    run.save()
    assert 'arrivals, found {"kind":"poisson"} in first' in refused(
        first, read_findings(run.folder)
    )


def test_a_contender_of_the_same_name_with_other_options_is_another_one(first, found_in):
    other = found_in(options={"fastapi-onnx": {"threads_per_pass": 4}})
    assert refused(first, other) == (
        "expected the same options of fastapi-onnx, found none in first and threads_per_pass=4 in "
        f"another{REMEDY}"
    )


ADDED = ("curve", "length_buckets", "preferred_batch_sizes", "threads_per_instance")


def test_an_option_that_was_added_is_at_its_default_what_runs_without_it_did(first, found_in):
    declared = discover()["triton"].options
    defaults = {name: declared[name] for name in ADDED}
    assert agreement([first, found_in(options={"fastapi-onnx": defaults})]).n_agree


def test_an_option_that_was_added_is_another_contender_beside_its_default(first, found_in):
    other = found_in(options={"fastapi-onnx": {"length_buckets": "128", "curve": ""}})
    assert refused(first, other) == (
        "expected the same options of fastapi-onnx, found none in first and length_buckets=128 in "
        f"another{REMEDY}"
    )


def test_runs_with_fewer_than_two_common_contenders_have_nothing_to_compare(first, found_in):
    other = found_in({"fastapi": SERVICE_MS["fastapi"], "triton": 1.0})
    assert refused(first, other) == (
        "expected two contenders in common, found fastapi, fastapi-tuned, fastapi-onnx in first "
        f"and fastapi, triton in another{REMEDY}"
    )


def test_runs_without_a_common_level_or_capacity_have_nothing_to_compare(first, another):
    run = another(rates_rps=(800.0,))
    assert refused(first, read_findings(run.folder)) == (
        "expected two contenders with usable slices at a load level that the runs share, found "
        "none in first and another: their reports say what was not usable; name others."
    )


def test_a_run_that_is_not_finished_is_refused(first, another):
    run = another()
    run.manifest["finished_at"] = None
    run.save()
    assert refused(first, read_findings(run.folder)) == (
        "expected finished runs, found another unfinished: continue it with `study run --resume`."
    )


def test_the_same_run_twice_confirms_nothing(first):
    assert refused(first, replace(first)) == (
        "expected different runs, found first twice: name another."
    )


def test_one_run_alone_cannot_agree(first):
    assert refused(first) == "expected two runs or more, found 1: name another."
