"""Where the fields of a config.pbtxt stand, and how they are edited."""

import pytest

from servers.triton_service.doctor.config_file import read_config

TEXT = """\
# a comment with { a brace
name: "bert" max_batch_size: 8
input [
  { name: "ids" data_type: TYPE_INT64 dims: [ 1,
      2 ] },
  {
    name: 'mask' # another
    data_type: TYPE_INT64
    dims: 3
  }
]
parameters: { key: "a" value: { string_value: "one" "two" } }
parameters { key: "b" value { string_value: "# no comment" } }
dynamic_batching <
  max_queue_delay_microseconds: 100
>
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("max_batch_size",), 2),
        (("input=ids", "dims"), 4),
        (("input=mask",), 6),
        (("input=mask", "dims"), 9),
        (("parameters=b",), 13),
        (("dynamic_batching", "max_queue_delay_microseconds"), 15),
        (("dynamic_batching", "preferred_batch_size"), 14),
        (("version_policy",), 1),
    ],
)
def test_a_field_has_its_line_and_a_missing_one_that_of_what_is_around_it(
    path: tuple[str, ...], line: int
) -> None:
    config = read_config("config.pbtxt", TEXT)
    assert config.problem is None
    assert config.line(*path) == line


def changed(diff: str) -> list[str]:
    return [line for line in diff.splitlines()[2:] if line[0] in "+-"]


def test_a_value_is_replaced_alone() -> None:
    diff = read_config("c", TEXT).with_value("[ 4 ]", "input=mask", "dims")
    assert changed(diff) == ["-    dims: 3", "+    dims: [ 4 ]"]


def test_a_field_on_a_line_of_its_own_goes_with_the_line() -> None:
    diff = read_config("c", TEXT).without("dynamic_batching", "max_queue_delay_microseconds")
    assert changed(diff) == ["-  max_queue_delay_microseconds: 100"]


def test_a_field_is_added_as_far_to_the_right_as_its_neighbours() -> None:
    diff = read_config("c", TEXT).with_added("allow_ragged_batch: true", "input=mask")
    assert changed(diff) == ["+    allow_ragged_batch: true"]


def test_a_field_is_added_within_a_line() -> None:
    diff = read_config("c", "dynamic_batching { }\n").with_added(
        "priority_levels: 1", "dynamic_batching"
    )
    assert changed(diff) == ["-dynamic_batching { }", "+dynamic_batching { priority_levels: 1 }"]


def test_what_protobuf_cannot_read_has_a_line_and_a_column() -> None:
    problem = read_config("c", 'name: "x"\ndynamic_batch { }\n').problem
    assert problem is not None
    assert (problem.line, problem.column) == (2, 1)
    assert 'has no field named "dynamic_batch"' in problem.message
