"""What Triton must do if the corrected statements are right: one check for each thing it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tritonclient.utils import InferenceServerException

from loadtests.records.behaviour import CheckFinding
from loadtests.records.stored import shown
from loadtests.selfcheck import triton_concurrent, triton_single
from loadtests.selfcheck.tiny_models import ROWS
from loadtests.selfcheck.triton_bench import ANSWERED, LOADED, Bench, Seen

MOST_CHARS = 180
POLL_FAILED = "failed to poll from model repository"


@dataclass(frozen=True)
class Check:
    """look asks the server; expected is said of it beforehand."""

    statements: tuple[int, ...]
    expected: str
    look: Callable[[Bench], Seen]

    def run(self, bench: Bench) -> CheckFinding:
        """What was found; a server that fails at it was not as expected."""
        try:
            as_expected, found = self.look(bench)
        except (InferenceServerException, OSError) as error:
            as_expected, found = False, str(error)
        return CheckFinding(
            statements=list(self.statements),
            expected=self.expected,
            found=shown(" ".join(found.split()), MOST_CHARS),
            as_expected=as_expected,
        )


def _loads(model: str) -> Callable[[Bench], Seen]:
    def look(bench: Bench) -> Seen:
        found = bench.load(model)
        return found == LOADED, found

    return look


def _refuses_to_load(model: str, text: str = "") -> Callable[[Bench], Seen]:
    def look(bench: Bench) -> Seen:
        found = bench.load(model)
        return found != LOADED and text in found, found

    return look


def _refuses(text: str, **request: Any) -> Callable[[Bench], Seen]:
    def look(bench: Bench) -> Seen:
        found = bench.ask(**request)
        return found != ANSWERED and text in found, found

    return look


def _serves_versions(model: str, *versions: str) -> Callable[[Bench], Seen]:
    def look(bench: Bench) -> Seen:
        loaded = bench.load(model)
        if loaded != LOADED:
            return False, loaded
        found = list(bench.client.get_model_metadata(model).versions)
        return found == list(versions), f"versions served: {', '.join(found)}"

    return look


CHECKS: tuple[Check, ...] = (
    Check(
        (20, 40), "a model laid out as documented loads, and answers infer()", triton_single.answers
    ),
    Check(
        (21,), "a Python model without config.pbtxt loads and answers", triton_single.without_config
    ),
    Check((22,), "a version folder '01' is not loaded", _refuses_to_load("leading-zero")),
    Check(
        (34,),
        "the installed wheel of the client has no perf_analyzer",
        triton_single.no_perf_analyzer,
    ),
    Check((37,), "ports 8000, 8001 and 8002 by default", triton_single.default_ports),
    Check((39,), "a platform beside another backend loads silently", _loads("two-platforms")),
    Check(
        (41,),
        "a preferred size above max_batch_size is refused",
        _refuses_to_load("preferred-too-large"),
    ),
    Check(
        (43,),
        "a result has no get_output_names(); its response has the names",
        triton_single.no_output_names,
    ),
    Check(
        (44,),
        "live, and not ready, while a model has failed to load",
        triton_single.live_is_not_ready,
    ),
    Check(
        (45,), "dims [4] with max_batch_size takes requests of shape [n, 4]", triton_single.answers
    ),
    Check(
        (46, 56),
        f"a misspelt field is reported to the caller as {POLL_FAILED!r} only",
        _refuses_to_load("misspelt", POLL_FAILED),
    ),
    Check((48,), "one Python process for each instance", triton_single.process_for_each_instance),
    Check(
        (48,),
        "a model answers while another Python model is busy",
        triton_concurrent.others_answer_meanwhile,
    ),
    Check(
        (50,),
        "of versions 1, 2 and 3 only 3 is served by default",
        _serves_versions("versions", "3"),
    ),
    Check((51,), "specific versions [1] serves version 1", _serves_versions("pinned", "1")),
    Check(
        (53,),
        "for 588 KiB, JSON takes over 3 times as long as binary tensors over HTTP",
        triton_concurrent.protocols,
    ),
    Check(
        (55,),
        "an unknown model is refused by that name",
        _refuses("unknown model: 'nope' is not found", model="nope"),
    ),
    Check(
        (55,),
        "a folder that is not named as its model fails to load",
        _refuses_to_load("other-name", POLL_FAILED),
    ),
    Check((58,), "--response-timeout is no option", triton_single.unknown_option),
    Check(
        (59,),
        "a backend that is not installed is named",
        _refuses_to_load("no-backend", "unable to find backend library for backend"),
    ),
    Check(
        (60,),
        "a wrong shape is refused as an unexpected shape",
        _refuses("unexpected shape for input 'X'", shape=(1, 3)),
    ),
    Check(
        (60, 98),
        "a missing batch dimension is refused as too large a batch",
        _refuses("batch-size must be <=", shape=(64,)),
    ),
    Check(
        (61,),
        "an unknown version is refused by that number",
        _refuses("version 9 is not found", version="9"),
    ),
    Check(
        (62,),
        "a shared memory key that does not exist cannot be registered",
        triton_single.absent_region,
    ),
    Check(
        (63,), "dynamic_batching with max_batch_size 0 loads silently", _loads("batches-of-none")
    ),
    Check(
        (66,),
        f"requests that fill a batch of {ROWS} are not merged, single ones are",
        triton_concurrent.batches_of_the_client,
    ),
    Check(
        (70,),
        "shared memory gains over 1.5 times at 588 KiB, and less at 1 KiB",
        triton_concurrent.shared_memory_gain,
    ),
    Check(
        (72,),
        "requests of level 1 are answered before earlier ones of level 2",
        triton_concurrent.high_priority_first,
    ),
    Check(
        (72,),
        "priority_levels without default_priority_level is refused",
        _refuses_to_load("no-default-level"),
    ),
    Check(
        (75,),
        "none of the four calls of the guide exists in the client",
        triton_single.absent_methods,
    ),
    Check((76,), "a request without its second input is refused", triton_single.needs_both_inputs),
    Check((77,), "randn cast to integers gives negative ids", triton_single.negative_ids),
    Check((78,), "statistics are JSON, metrics are Prometheus text", triton_single.formats),
    Check((79,), "raw bytes go over HTTP without Base64", triton_single.raw_bytes_over_http),
    Check(
        (95,), "the published kind of configuration parses", triton_single.published_config_parses
    ),
    Check(
        (98,),
        "items of shape (1, 4) stacked to (2, 1, 4) are refused",
        _refuses("unexpected shape", shape=(2, 1, 4)),
    ),
    Check(
        (99,),
        f"{ROWS} rows of one request are one execution without a batcher",
        triton_concurrent.one_execution_without_batcher,
    ),
    Check(
        (15, 106),
        "a model is reloaded under load without a failed request",
        triton_concurrent.reloads_under_load,
    ),
)
