"""How the figures of each question are judged: one function a question.

Each bound here is wide, so that only another behaviour breaks it, not another machine.
"""

from dataclasses import dataclass

from loadtests.records.questions import Answer

Found = tuple[bool, str]
"""Whether it is as expected, and what was found."""


class MissingFigure(LookupError):
    """A case or figure that a judgement needs is not in the record."""


@dataclass(frozen=True)
class Figures:
    """The figures of one answer, as judgements need them."""

    answer: Answer

    def of(self, case: str, name: str) -> float:
        value = self.answer.value(case, name)
        if value is None:
            raise MissingFigure(f"{name} of {case!r} was not measured")
        return value

    def ratio(self, name: str, case: str, to: str) -> float:
        return self.of(case, name) / self.of(to, name)

    def said(self, case: str) -> dict[str, int]:
        found = self.answer.said(case)
        if not found:
            raise MissingFigure(f"what callers saw of {case!r} was not recorded")
        return found


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 99.5 else f"{ratio:.2g} times"


def transport(found: Figures) -> Found:
    json = found.ratio("p50_ms", "588 KiB, HTTP, JSON", "588 KiB, HTTP, binary")
    grpc = found.ratio("p50_ms", "588 KiB, gRPC", "588 KiB, HTTP, binary")
    ways = ("gRPC", "HTTP, binary", "HTTP, JSON")
    small_ms = [found.of(f"1 KiB, {way}", "p50_ms") for way in ways]
    apart = max(small_ms) / min(small_ms)
    seen = (
        f"median of 588 KiB as JSON {_times(json)} that of binary HTTP, of gRPC {_times(grpc)}; at "
        f"1 KiB the three are within {_times(apart)}"
    )
    return json > 3 and grpc < 3 and apart < 3, seen


def shared_memory(found: Figures) -> Found:
    gains = {
        size: found.ratio("p50_ms", f"{size}, gRPC", f"{size}, gRPC, shared memory")
        for size in ("1 KiB", "588 KiB", "10 MiB")
    }
    small, large, largest = gains.values()
    seen = "gRPC over shared memory: " + ", ".join(f"{_times(g)} at {s}" for s, g in gains.items())
    return largest > 1.5 and large > 1.5 and small < 1.5, seen


def queue_delay(found: Figures) -> Found:
    alone = found.ratio("p50_ms", "5 ms, 1 caller", "0 ms, 1 caller")
    rates = [
        found.ratio("rows_per_s", f"{ms} ms, 48 callers", "0 ms, 48 callers") for ms in (5, 10)
    ]
    seen = (
        f"simulated passes: one caller waits {_times(alone)} as long with 5 ms as without; 48 "
        f"callers get {_times(rates[0])} the answers with 5 ms, {_times(rates[1])} with 10 ms"
    )
    return alone > 1.3 and max(rates) < 1.4, seen


def preferred(found: Figures) -> Found:
    rate = found.ratio(
        "rows_per_s", "4, 8, 16, 32, no delay, 16 callers", "none, no delay, 16 callers"
    )
    seen = f"simulated passes, 16 callers: {_times(rate)} the answers with preferred sizes"
    return rate < 0.95, seen


def instances(found: Figures) -> Found:
    passes, works = (
        found.ratio("rows_per_s", f"{kind}, 4 instances", f"{kind}, 1 instance")
        for kind in ("passes", "works")
    )
    seen = (
        f"4 instances answer {_times(passes)} as much as one where simulated passes leave the CPU "
        f"free, {_times(works)} where each keeps a core busy (2 cores, shared with the callers)"
    )
    return works < 3.6 and passes > works, seen


def lengths(found: Figures) -> Found:
    rows = {
        name: found.of(name, "rows_per_execution")
        for name in ("one length", "32 lengths", "4 buckets", "32 lengths, ragged")
    }
    one, many, buckets, ragged = rows.values()
    rates = found.ratio("rows_per_s", "one length", "32 lengths")
    seen = (
        "rows in an execution: "
        + ", ".join(f"{name} {value:.3g}" for name, value in rows.items())
        + f"; one length gets {_times(rates)} the answers of 32"
    )
    return many < 1.5 and many < buckets < ragged and one > 5, seen


def client_batches(found: Figures) -> Found:
    return _batcher(
        found,
        ("4 callers of 32 rows", "32 callers of 1 row"),
        "simulated passes: the batcher gives {} the rows of requests of 32 rows, {} those of "
        "single rows",
    )


def perf_analyzer(found: Figures) -> Found:
    return _batcher(
        found,
        ("-b 32, 4 at once", "-b 1, 32 at once"),
        "perf_analyzer, simulated passes: the batcher gives {} the rows with -b 32, {} with -b 1 "
        "and 32 at once",
    )


def _batcher(found: Figures, cases: tuple[str, str], seen: str) -> Found:
    """cases: full batches, and single rows; seen has a place for the gain of each."""
    full, single = (
        found.ratio("rows_per_s", f"{case}, batcher", f"{case}, no batcher") for case in cases
    )
    return full < 1.3 and single > 2, seen.format(_times(full), _times(single))


def two_classes(found: Figures) -> Found:
    high, low = (
        found.ratio("p99_ms", callers, "no levels, 32 callers")
        for callers in ("level 1, 4 callers", "level 2, 28 callers beside them")
    )
    seen = (
        f"simulated passes, 32 callers for batches of 4: P99 of level 1 {_times(high)}, of level 2 "
        f"{_times(low)} that without levels"
    )
    return high < 0.8 and low > 1, seen


_TIMEOUT, _FULL = "Request timeout expired", "Exceeds maximum queue size"


def queue_policy(found: Figures) -> Found:
    def saw(case: str, words: str) -> int:
        return sum(n for said, n in found.said(case).items() if words in said)

    unbounded = saw("no bound, gRPC", "answered")
    timeout = saw("timeout 20 ms, REJECT, gRPC", _TIMEOUT)
    over_http = saw("timeout 20 ms, REJECT, HTTP", f"HTTP 503: {_TIMEOUT}")
    full = saw("max_queue_size 4, gRPC", _FULL)
    delayed = saw("timeout 20 ms, DELAY, gRPC", "answered")
    counted = found.of("max_queue_size 4, counted by Triton as REJECTED", "requests")
    seen = (
        f"of 24 at once: no bound, {unbounded} answered; a timeout of 20 ms, {timeout} told "
        f"{_TIMEOUT!r} (over HTTP {over_http}, with 503), with DELAY {delayed} answered; 4 places, "
        f"{full} told {_FULL!r}, of which Triton counts {counted:.0f}"
    )
    refused = timeout > 0 and over_http > 0 and full > 0
    return refused and unbounded == delayed == 24, seen


def heavy(found: Figures) -> Found:
    """By the rate of its one caller, which is one over the time of an answer."""
    own, same = (
        found.ratio("rows_per_s", name, "alone")
        for name in ("heavy model in another process", "heavy requests in its own process")
    )
    seen = (
        "the one caller of the light model, beside requests that work 50 ms each, gets "
        f"{_times(own)} the answers that it gets alone; where the same process works, "
        f"{_times(same)}"
    )
    return own > 5 * same, seen


def cache(found: Figures) -> Found:
    hit = found.ratio("p50_ms", "uncached, the same request", "cached, the same request")
    new = found.ratio("p50_ms", "cached, new requests", "uncached, new requests")
    ensemble = found.ratio("p50_ms", "uncached, the same request", "ensemble, the same request")
    decoupled = ", ".join(found.said("loading a decoupled model"))
    seen = (
        f"a repeated request is answered {_times(hit)} as fast from the cache, a new one takes "
        f"{_times(new)} as long; a repeated one of an ensemble, {_times(ensemble)} as fast; a "
        f"decoupled model with a cache: {decoupled}"
    )
    loads_without = "loaded" in found.said("loading a decoupled model without a cache")
    return hit > 3 and new < 1.5 and decoupled != "loaded" and loads_without, seen


def dead_stub(found: Figures) -> Found:
    killed = "stub killed"
    statuses = [found.of(killed, name) for name in ("live", "ready", "model_ready")]
    reloaded, unloaded = (
        "answered" in found.said(f"after {how} (loaded)") for how in ("load", "unload and load")
    )
    said = {True: "answered", False: "not answered"}
    words = ", ".join(found.said(killed))
    seen = (
        f"the health URLs say {', '.join(f'{status:.0f}' for status in statuses)}, a request gets: "
        f"{words} After a load it is {said[reloaded]}, after unload and load {said[unloaded]}"
    )
    failed = "answered" not in found.said(killed) and not reloaded
    return set(statuses) == {200} and failed and unloaded, seen


def rollout(found: Figures) -> Found:
    failed = found.of("Triton, both", "failed")
    calls = found.of("Triton, both", "calls")
    p99 = found.ratio("p99_ms", "Triton, both", "Triton, before")
    restart = "FastAPI, restart (3 times)"
    lost, due = found.of(restart, "failed"), found.of(restart, "calls")
    seen = (
        f"Triton, versions loaded under 100 calls/s: {failed:.0f} of {calls:.0f} calls failed, P99 "
        f"{_times(p99)} that before; FastAPI, restarted: {lost:.0f} of {due:.0f} failed"
    )
    return failed == 0 and lost > 0, seen
