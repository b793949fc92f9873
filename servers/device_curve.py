"""The curve of a device: what a forward pass takes, by batch size and padded length.

Between two given batch sizes a pass costs a fixed part and a part per text, and so beyond the ends,
by the nearest two. Between two given lengths it is linear. Texts shorter than any given length cost
what as many tokens cost in texts of the shortest: BERT's time follows the tokens of a batch, which
the tables of FasterTransformer show within 2 % (32 texts of 32 tokens against 8 of 128).
"""

import json
import tomllib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from servers.regular_file import read_regular

CURVES_DIR = Path(__file__).parent / "classifier" / "curves"
CURVE_SUFFIX = ".toml"
MOST_BYTES = 2**20
_POWERS_OF_TEN = {"s": 0, "ms": -3, "us": -6}


class CurveError(ValueError):
    """A curve that cannot be used, in one sentence: expected, found, what to do."""


@dataclass(frozen=True)
class CurvePoint:
    """latency_s is one forward pass of the batch, host and device together; host_s the CPU seconds
    of the host during it (None: by the curve's host_share)."""

    length_tokens: int
    batch_size: int
    latency_s: float
    host_s: float | None = None

    def __str__(self) -> str:
        return f"batch {self.batch_size} of {self.length_tokens} tokens"


@dataclass(frozen=True)
class DeviceCurve:
    """What a device does with a model, and who says so.

    name is the stem of its file; measured: by `study profile` on a machine, not published numbers;
    host_share: CPU work of the host over a pass, 0 to 1. points ascend by length, then batch.
    CurveError where the points are no curve, or nobody is named for them.
    """

    name: str
    device: str
    precision: str
    software: str
    model: str
    source: str
    measured: bool
    host_share: float
    host_share_source: str
    points: tuple[CurvePoint, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.points, key=lambda point: (point.length_tokens, point.batch_size))
        object.__setattr__(self, "points", tuple(ordered))
        problem = self._problem()
        if problem:
            raise CurveError(f"the curve {self.name}: {problem}")

    def pass_s(self, batch_size: int, length_tokens: int) -> float:
        """One forward pass of so many texts, each padded to so many tokens."""
        return self._value(batch_size, length_tokens, self._latencies)

    def host_s(self, batch_size: int, length_tokens: int) -> float:
        """CPU seconds of the host during that pass."""
        host_s = self._value(batch_size, length_tokens, self._hosts)
        return min(host_s, self.pass_s(batch_size, length_tokens))

    def is_given(self, batch_size: int, length_tokens: int) -> bool:
        """False: pass_s is interpolated."""
        return batch_size in self._latencies.get(length_tokens, ())

    def best_rate(self, length_tokens: int, max_batch_size: int) -> float:
        """Texts per second at the best batch of up to max_batch_size: the most the device can."""
        sizes = range(1, max_batch_size + 1)
        return max(size / self.pass_s(size, length_tokens) for size in sizes)

    @property
    def label(self) -> str:
        """What stands beside everything that comes from it."""
        source = self.source.partition(",")[0].strip()
        return f"simulated device: {self.device}, {self.precision}, {self.software} ({source})"

    @cached_property
    def _latencies(self) -> "_Rows":
        return _rows(self.points, lambda point: point.latency_s)

    @cached_property
    def _hosts(self) -> "_Rows":
        share = self.host_share
        return _rows(self.points, lambda p: share * p.latency_s if p.host_s is None else p.host_s)

    def _value(self, batch_size: int, length_tokens: int, rows: "_Rows") -> float:
        shortest = min(rows)
        if length_tokens < shortest or len(rows) == 1:
            return _along_batches(rows[shortest], batch_size * length_tokens / shortest)
        at = {length: _along_batches(row, batch_size) for length, row in rows.items()}
        return _along(at, length_tokens)

    def _problem(self) -> str | None:
        if not self.source.strip():
            return "expected a source, found none: say where its numbers come from."
        if not self.points:
            return "expected points, found none: add what a pass takes."
        for length, group in groupby(self.points, lambda point: point.length_tokens):
            found = _problem_of_length(length, list(group), self.host_share)
            if found:
                return found
        return None


_Row = Mapping[float, float]
"""A value for each batch size, or for each length, ascending."""
_Rows = Mapping[float, _Row]


def _rows(points: Sequence[CurvePoint], of: Callable[[CurvePoint], float]) -> _Rows:
    by_length = groupby(points, lambda point: point.length_tokens)
    return {length: {each.batch_size: of(each) for each in group} for length, group in by_length}


def _along_batches(row: _Row, batch_size: float) -> float:
    value, smallest = _along(row, batch_size), min(row)
    # Fewer tokens than the first point has: never less than their share of it, where a first part
    # per text that is larger than the whole would make the fixed part negative.
    return value if batch_size >= smallest else max(value, row[smallest] * batch_size / smallest)


def _along(row: _Row, x: float) -> float:
    """Linear between neighbours, and beyond the ends by the nearest two."""
    if x in row:
        return row[x]
    at = list(row)
    after = min(max(bisect_left(at, x), 1), len(at) - 1)
    low, high = at[after - 1], at[after]
    return row[low] + (row[high] - row[low]) / (high - low) * (x - low)


def _problem_of_length(length: int, points: list[CurvePoint], host_share: float) -> str | None:
    if len(points) < 2:
        return (
            f"expected at least two batch sizes at {length} tokens, found {len(points)}: add "
            "another, or remove this length."
        )
    for point in points:
        if point.host_s is not None and point.host_s > point.latency_s:
            return (
                f"expected host time within the latency at {point}, found {_ms(point.host_s)} of "
                f"{_ms(point.latency_s)}: correct one of them."
            )
    for before, after in pairwise(points):
        if before.batch_size == after.batch_size:
            return f"expected each point once, found {after} twice: remove one."
        if after.latency_s < before.latency_s:
            return (
                "expected a latency that does not fall as the batch grows, found "
                f"{_ms(after.latency_s)} at {after} after {_ms(before.latency_s)} at batch "
                f"{before.batch_size}: correct one of them."
            )
    return None


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms"


_Text = Annotated[str, Field(strict=True, pattern=r"\S")]
_Size = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
_Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Point(_Table):
    length_tokens: _Size
    batch_size: _Size
    latency: Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]
    host: Annotated[float, Field(strict=True, ge=0, le=1e9, allow_inf_nan=False)] | None = None


class _CurveFile(_Table):
    device: _Text
    precision: _Text
    software: _Text
    model: _Text
    source: _Text
    measured: Annotated[bool, Field(strict=True)]
    host_share: _Share
    host_share_source: _Text
    unit: Literal["s", "ms", "us"]
    points: list[_Point]


def read_curve(path: Path) -> DeviceCurve:
    """The curve in a TOML file; CurveError says what is wrong with it."""
    try:
        raw = tomllib.loads(read_regular(path, MOST_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise CurveError(
            f"expected the file of a curve at {path}, could not read it ({error.strerror}): check "
            "the path."
        ) from error
    except (ValueError, RecursionError) as error:  # no TOML, or no UTF-8
        raise CurveError(f"expected TOML in {path}, found none ({error}): correct it.") from error
    try:
        file = _CurveFile.model_validate(raw)
    except ValidationError as error:
        raise CurveError(_sentence(path, error)) from error
    points = tuple(
        CurvePoint(
            point.length_tokens,
            point.batch_size,
            _seconds(point.latency, file.unit),
            None if point.host is None else _seconds(point.host, file.unit),
        )
        for point in file.points
    )
    fields = file.model_dump(exclude={"unit", "points"})
    return DeviceCurve(name=path.stem, points=points, **fields)


def curve_names() -> tuple[str, ...]:
    """Those that come with the study."""
    return tuple(sorted(path.stem for path in CURVES_DIR.glob(f"*{CURVE_SUFFIX}")))


def curve_named(name_or_path: str) -> DeviceCurve:
    """The curve of that name, of those that come with the study, or in that file."""
    if name_or_path.endswith(CURVE_SUFFIX):
        return read_curve(Path(name_or_path))
    if name_or_path not in curve_names():
        raise CurveError(
            f"expected a curve ({', '.join(curve_names())}) or the path of a {CURVE_SUFFIX} file, "
            f"found {name_or_path!r}: correct it."
        )
    return read_curve(CURVES_DIR / f"{name_or_path}{CURVE_SUFFIX}")


def curve_toml(curve: DeviceCurve) -> str:
    """The file of a curve, which reads back as the same curve, numbers to 15 digits."""
    said = (name for name in _CurveFile.model_fields if name not in {"unit", "points"})
    # TOML writes texts, numbers and booleans as JSON does.
    lines = [f"{name} = {json.dumps(getattr(curve, name), ensure_ascii=False)}" for name in said]
    lines += ['unit = "ms"', "points = ["]
    for point in curve.points:
        host = "" if point.host_s is None else f", host = {_in_ms(point.host_s)}"
        lines.append(
            f"    {{ length_tokens = {point.length_tokens}, batch_size = {point.batch_size}, "
            f"latency = {_in_ms(point.latency_s)}{host} }},"
        )
    return "\n".join([*lines, "]", ""])


def _seconds(value: float, unit: str) -> float:
    """Shifts the decimal point: 0.67 ms are the float nearest to 0.00067, and not a product."""
    return float(Decimal(repr(value)).scaleb(_POWERS_OF_TEN[unit]))


def _in_ms(seconds: float) -> str:
    shifted = f"{Decimal(repr(seconds)).scaleb(3):f}"
    return shifted if "." in shifted else f"{shifted}.0"


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    sentence = _SENTENCES.get(first["type"], _OTHER_SENTENCE)
    reason = first["msg"][0].lower() + first["msg"][1:]
    return sentence.format(where=where, path=path, found=repr(first["input"]), reason=reason)


_SENTENCES = {
    "missing": "expected {where} in the curve {path}, found none: add it.",
    "extra_forbidden": "expected only what a curve has in {path}, found {where}: remove it, or "
    "correct its name.",
    "string_pattern_mismatch": "expected {where} in the curve {path}, found a blank: fill it in.",
}
_OTHER_SENTENCE = (
    "expected another {where} in the curve {path}, found {found} ({reason}): correct it."
)
