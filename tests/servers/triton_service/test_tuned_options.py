"""With the options that `study tune` searches the real ensemble answers as it does without."""

from typing import Any

import pytest

from servers.contract import LENGTH_BUCKETS

from .test_served_model import assert_reference_answers, of_bucket

pytestmark = pytest.mark.live


def test_other_buckets_preferred_sizes_and_two_instances_give_the_reference_answers(
    start_triton: Any, client_of: Any, traffic: list[dict[str, Any]], read_answers: Any
) -> None:
    running = start_triton(
        length_buckets="24,64,128",
        preferred_batch_sizes="4,8",
        max_batch_size=8,
        max_queue_delay_us=500,
        instances=2,
        threads_per_instance=1,
    )
    running.wait_until_ready()
    client = client_of(running)
    texts = [text for bucket in LENGTH_BUCKETS for text in of_bucket(traffic, bucket, 10)]

    pending = [client.send([text["text"]]) for text in texts]

    assert_reference_answers([read_answers(call.result())[0] for call in pending], texts)
