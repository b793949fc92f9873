import asyncio
import threading
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor

from servers.contract import BatchItem
from servers.fastapi_service.pass_queue import Answers, PassQueue, Query
from servers.http_metrics import Metrics
from servers.metric_names import QUEUE_LENGTH


class Model:
    """Answers each text with itself, and remembers what ran together."""

    def __init__(self) -> None:
        self.ran: list[list[str]] = []

    def run(self, queries: Sequence[Query]) -> Answers:
        texts = [text for query in queries for text in query.texts]
        self.ran.append(texts)
        if "bad" in texts:
            raise ValueError("bad text")
        return [[BatchItem(label=text, confidence=1.0) for text in q.texts] for q in queries]


def query(*texts: str) -> Query:
    return Query(texts, 128)


async def labels(work: Awaitable[list[BatchItem]]) -> list[str]:
    return [item.label for item in await work]


def asked(passes: PassQueue, *queries: Query) -> list[object]:
    async def ask() -> list[object]:
        work = [labels(passes.answer(each)) for each in queries]
        return list(await asyncio.gather(*work, return_exceptions=True))

    return asyncio.run(ask())


def test_what_comes_together_runs_together_up_to_the_largest_batch_in_order_of_arrival() -> None:
    model = Model()
    found = asked(PassQueue(model.run, 2, 1, None), *map(query, "abcde"))
    assert found == [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert model.ran == [["a", "b"], ["c", "d"], ["e"]]


def test_a_request_of_many_texts_is_never_split() -> None:
    model = Model()
    asked(PassQueue(model.run, 3, 1, None), query("a"), query("b", "c", "d", "e"), query("f"))
    assert model.ran == [["a"], ["b", "c", "d", "e"], ["f"]]


def test_a_failed_pass_fails_its_requests_and_not_those_after_it() -> None:
    found = asked(PassQueue(Model().run, 1, 1, None), query("bad"), query("b"))
    assert isinstance(found[0], ValueError)
    assert found[1] == ["b"]


def test_requests_that_come_during_a_pass_on_a_thread_are_the_next_batch() -> None:
    model, begun, go_on = Model(), threading.Event(), threading.Event()

    def run(queries: Sequence[Query]) -> Answers:
        begun.set()
        go_on.wait(20)
        return model.run(queries)

    async def ask() -> None:
        passes = PassQueue(run, 8, 1, pool)
        first = asyncio.create_task(labels(passes.answer(query("a"))))
        await asyncio.to_thread(begun.wait, 20)
        others = [asyncio.create_task(labels(passes.answer(query(text)))) for text in "bcd"]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *others)

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(ask())
    assert model.ran == [["a"], ["b", "c", "d"]]


def test_the_event_loop_does_other_work_between_two_passes() -> None:
    model, seen = Model(), []

    async def ask() -> None:
        passes = PassQueue(model.run, 1, 1, None)
        work = [asyncio.create_task(passes.answer(query(text))) for text in "abc"]
        while not all(task.done() for task in work):
            seen.append(len(model.ran))
            await asyncio.sleep(0)

    asyncio.run(ask())
    assert {1, 2} <= set(seen)


def test_a_request_that_comes_as_the_last_pass_ends_is_answered() -> None:
    """The worker may be about to stop: nobody else would take the request."""
    passes = PassQueue(Model().run, 1, 1, None)

    async def ask() -> list[list[str]]:
        found = []
        for turns in range(9):
            first = asyncio.create_task(labels(passes.answer(query("a"))))
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                found += [await labels(passes.answer(query("b"))), await first]
        return found

    assert asyncio.run(ask()) == [["b"], ["a"]] * (9)


def test_what_waits_is_counted_and_how_long_it_waited_is_measured() -> None:
    metrics, waiting = Metrics(), []
    model = Model()

    def run(queries: Sequence[Query]) -> Answers:
        waiting.append(metrics.value(QUEUE_LENGTH))
        return model.run(queries)

    asked(PassQueue(run, 2, 1, None, metrics), *map(query, "abcde"))
    assert waiting == [3, 1, 0]
    assert b'inference_queue_duration_seconds_count{contender="mine"} 5.0' in metrics.text("mine")
