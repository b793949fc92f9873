"""What the gateway answers, and how it behaves when Triton does not."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from servers.contract import LENGTH_BUCKETS, MAX_BATCH_TEXTS, bucket_length
from servers.hybrid_gateway.new_key import new_key

pytestmark = pytest.mark.live

CONFIDENCE_TOLERANCE = 1e-3
DEADLINE_MS = 1500  # as the fixture starts it


def of_bucket(traffic: list[dict[str, Any]], bucket: int, count: int) -> list[dict[str, Any]]:
    return [t for t in traffic if bucket_length(t["n_tokens"]) == bucket][:count]


def assert_reference_answers(found: list[dict[str, Any]], texts: list[dict[str, Any]]) -> None:
    assert [answer["label"] for answer in found] == [text["label"] for text in texts]
    expected = [text["confidence"] for text in texts]
    assert [a["confidence"] for a in found] == pytest.approx(expected, abs=CONFIDENCE_TOLERANCE)


def test_concurrent_texts_get_the_reference_answers_in_batches_of_triton(
    hybrid: Any, traffic: list[dict[str, Any]]
) -> None:
    texts = [text for bucket in LENGTH_BUCKETS for text in of_bucket(traffic, bucket, 30)]
    _, before = hybrid.send("/stats")

    with ThreadPoolExecutor(24) as callers:
        found = list(callers.map(lambda t: hybrid.send("/predict", {"text": t["text"]}), texts))

    assert {status for status, _ in found} == {200}
    assert_reference_answers([answer for _, answer in found], texts)
    counted = hybrid.counted_since(before, inferences=len(texts))
    assert counted["requests_ok"] == counted["inferences"] == len(texts)
    assert counted["inferences"] / counted["executions"] > 1.2
    assert counted["real_tokens"] == sum(text["n_tokens"] for text in texts)
    assert counted["padded_tokens"] == 30 * sum(LENGTH_BUCKETS)


def test_a_batch_larger_than_tritons_is_answered_in_order(
    hybrid: Any, traffic: list[dict[str, Any]]
) -> None:
    texts = of_bucket(traffic, 16, MAX_BATCH_TEXTS)

    status, body = hybrid.send("/batch_predict", {"texts": [text["text"] for text in texts]})

    assert status == 200
    assert_reference_answers(body["predictions"], texts)


def test_a_batch_within_tritons_limit_is_one_execution(hybrid: Any) -> None:
    _, before = hybrid.send("/stats")

    hybrid.send("/batch_predict", {"texts": ["one", "two", "three"]})

    counted = hybrid.counted_since(before, inferences=3)
    assert (counted["inferences"], counted["executions"]) == (3, 1)


def test_max_length_truncates_before_the_padding(hybrid: Any, traffic: list[Any]) -> None:
    (text,) = of_bucket(traffic, 128, 1)
    _, before = hybrid.send("/stats")

    hybrid.send("/predict", {"text": text["text"], "max_length": 20})

    counted = hybrid.counted_since(before)
    assert (counted["real_tokens"], counted["padded_tokens"]) == (20, 32)


def test_a_blank_text_is_refused_and_counted(hybrid: Any) -> None:
    _, before = hybrid.send("/stats")

    status, body = hybrid.send("/predict", {"text": "  "})

    assert status == 422
    assert body["detail"] == "body.text: expected a text, found an empty or blank one."
    assert hybrid.counted_since(before)["requests_failed"] == 1


def test_a_triton_that_does_not_answer_in_time_gives_503_until_it_does(hybrid: Any) -> None:
    tritonserver = hybrid.tritonserver()
    tritonserver.suspend()
    try:
        while tritonserver.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)  # a signal takes effect a moment after it was sent
        status, body = hybrid.send("/predict", {"text": "where is my parcel"})
        ready = hybrid.send("/health/ready")
    finally:
        tritonserver.resume()

    assert (status, ready[0]) == (503, 503)
    assert "did not answer within the deadline" in body["detail"]
    hybrid.wait_until_ready()
    assert hybrid.send("/predict", {"text": "where is my parcel"})[0] == 200


@pytest.mark.parametrize("victim", ["tritonserver", "triton_python_backend_stub"])
def test_while_a_process_of_triton_is_missing_requests_fail_at_once_until_it_is_started_again(
    hybrid: Any, alive: Any, victim: str
) -> None:
    processes, said_before = hybrid.descendants(), hybrid.log.read_text(errors="replace")
    next(p for p in processes if p.name() == victim).kill()

    while (answer := hybrid.send("/predict", {"text": "a"}))[0] == 200:
        pass  # bounded: the missing process is noticed
    began_s = time.monotonic()
    others = [hybrid.send("/predict", {"text": "a"}) for _ in range(20)]
    took_s = time.monotonic() - began_s
    ready, live = hybrid.send("/health/ready"), hybrid.send("/health/live")

    assert {status for status, _ in (answer, *others)} == {503}
    assert all("Triton" in body["detail"] for _, body in others)
    assert took_s < DEADLINE_MS / 1000  # one request that waits for its deadline takes longer
    assert (ready, live[0]) == ((503, {"status": "not ready"}), 200)
    hybrid.wait_until_ready()
    assert hybrid.send("/predict", {"text": "a"})[0] == 200
    said = hybrid.log.read_text(errors="replace").removeprefix(said_before)
    assert said.count("Triton is started again") == 1
    assert alive(processes) == []


def test_an_interrupted_contender_leaves_no_process_and_no_traceback(
    start_hybrid: Any, alive: Any
) -> None:
    hybrid = start_hybrid()
    processes = hybrid.descendants()
    assert len(processes) == 3  # tritonserver and one Python stub for each of two models

    hybrid.process.send_signal(signal.SIGINT)

    assert hybrid.process.wait(30) == 0
    assert alive(processes) == []
    assert "Traceback" not in hybrid.log.read_text(errors="replace")


def test_with_every_feature_on_triton_gives_the_same_answers(
    hybrid: Any, start_gateway: Any, traffic: list[dict[str, Any]]
) -> None:
    """Triton takes the metadata, the request's id and the deadline that it gets then."""
    key, entry = new_key("shop", "predict,operations")
    equipped = start_gateway(
        triton_url=hybrid.grpc_url,
        auth="keys",
        keys=entry,
        rate_limits="100000/second",
        quotas="100000/day",
        max_at_triton=8,
        breaker_failures=5,
        problem_details=True,
        trace_context=True,
        access_log=True,
        drain_notice_ms=10,
    )
    texts = of_bucket(traffic, 16, 20)

    def ask(text: dict[str, Any]) -> tuple[int, Any]:
        status, answer = equipped.send("/predict", {"text": text["text"]}, **{"x-api-key": key})
        return status, answer

    with ThreadPoolExecutor(8) as callers:
        found = list(callers.map(ask, texts))
    refused = equipped.send("/predict", {"text": "a"})

    assert {status for status, _ in found} == {200}
    assert_reference_answers([answer for _, answer in found], texts)
    assert (refused[0], refused[1]["reason"]) == (401, "unauthenticated")
    equipped.process.send_signal(signal.SIGTERM)
    assert equipped.process.wait(30) == 0
    log = equipped.log.read_text(errors="replace")
    assert key not in log
    assert "Traceback" not in log
