"""A config.pbtxt: its message, and where each of its fields stands."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.checks import to_text
from servers.triton_service.doctor import edits

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[{}<>\[\]:,;]|[^\s{}<>\[\]:,;"'\#]+"""
)
_OPEN, _CLOSE = {"{", "<"}, {"}", ">"}


@dataclass(frozen=True)
class Field:
    """A field of the text: from its name, or the brace of a list's element, to its end."""

    name: str
    start: int
    end: int
    value: str = ""
    fields: tuple["Field", ...] = ()

    def all(self, name: str) -> tuple["Field", ...]:
        return tuple(each for each in self.fields if each.name == name)

    def at(self, path: Sequence[str]) -> Iterator["Field"]:
        """Those that stand along the path, as far as it goes. A step is a field's name, or
        name=text for the one among several whose name or key is that text."""
        if not path:
            return
        name, _, wanted = path[0].partition("=")
        for each in self.all(name):
            called = {part.value.strip("\"'") for part in each.fields if part.name in _NAMES}
            if not wanted or wanted in called:
                yield each
                yield from each.at(path[1:])
                return


_NAMES = ("name", "key", "model_name")


@dataclass(frozen=True)
class Problem:
    """Why a text is no configuration, in the words of protobuf."""

    line: int
    column: int
    message: str


@dataclass(frozen=True)
class ConfigFile:
    """file is how it is named in findings; the message is empty where there is a problem."""

    file: str
    text: str
    message: pb.ModelConfig = field(compare=False)
    problem: Problem | None = None

    @cached_property
    def tree(self) -> Field:
        return _tree(self.text)

    def find(self, *path: str) -> Field | None:
        """The field at the end of the path, as Field.at reads it."""
        along = list(self.tree.at(path))
        return along[-1] if along and len(along) == len(path) else None

    def line(self, *path: str) -> int:
        """Of that field, or of the nearest one around it."""
        along = list(self.tree.at(path)) if self.problem is None else []
        return 1 + self.text.count("\n", 0, along[-1].start) if along else 1

    def with_value(self, value: str, *path: str) -> str:
        """The diff that gives a scalar field another value; empty where there is no such field."""
        found = self.find(*path)
        if found is None or found.fields:
            return ""
        start = found.end - len(found.value)
        return self._diff(self.text[:start] + value + self.text[found.end :])

    def without(self, *path: str) -> str:
        """The diff that takes a field out."""
        found = self.find(*path)
        if found is None:
            return ""
        before, after = self.text[: found.start], self.text[found.end :].lstrip(" ,;")
        if not before.rpartition("\n")[2].strip() and after.startswith("\n"):
            before, after = before.rstrip(" \t"), after[1:]
        return self._diff(before + after)

    def with_added(self, lines: str, *path: str) -> str:
        """The diff that adds fields to the file, or to the message at the path."""
        found = self.find(*path) if path else None
        if path and found is None:
            return ""
        if found is None:
            text = self.text.rstrip("\n")
            return self._diff(f"{text}\n{lines}\n" if text else f"{lines}\n")
        brace = found.end - 1
        inside = self.text[:brace].rstrip()
        if "\n" not in self.text[len(inside) : brace]:
            joined = lines.replace("\n", " ")
            return self._diff(f"{inside} {joined} {self.text[brace:]}")
        outer = re.match(r"[ \t]*", self.text[:brace].rpartition("\n")[2])
        indent = outer[0] if outer else ""
        inner = "".join(f"{indent}  {line}\n" for line in lines.splitlines())
        return self._diff(f"{inside}\n{inner}{indent}{self.text[brace:]}")

    def _diff(self, after: str) -> str:
        return edits.diff(self.file, self.text, after)


def read_config(file: str, text: str) -> ConfigFile:
    """The configuration in a text, or why it is none."""
    try:
        return ConfigFile(file, text, text_format.Parse(text, pb.ModelConfig()))
    except text_format.ParseError as error:
        line, column = error.GetLine() or 1, error.GetColumn() or 1
        said = re.sub(r"^\d+:\d+ : ", "", str(error))
        return ConfigFile(file, text, pb.ModelConfig(), Problem(line, column, said))


def config_of_message(file: str, message: pb.ModelConfig) -> ConfigFile:
    """As a file would say it."""
    return ConfigFile(file, to_text(message), message)


def _tree(text: str) -> Field:
    tokens = [
        token
        for token in _TOKEN.finditer(text)
        if not token[0].isspace() and not token[0].startswith("#")
    ]
    return Field("", 0, len(text), fields=tuple(_Reader(text, tokens).fields()))


class _Reader:
    """Reads what protobuf has already accepted, so it need not say what is wrong."""

    def __init__(self, text: str, tokens: list[re.Match[str]]) -> None:
        self._text, self._tokens, self._next = text, tokens, 0

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else "}"

    def _take(self) -> re.Match[str]:
        self._next += 1
        return self._tokens[self._next - 1]

    def fields(self) -> Iterator[Field]:
        while self._peek() not in _CLOSE:
            name = self._take()
            if name[0] in {",", ";"}:
                continue
            if self._peek() == ":":
                self._take()
            yield from self._values(name[0], name.start())

    def _values(self, name: str, start: int) -> Iterator[Field]:
        if self._peek() in _OPEN:
            yield self._message(name, start)
        elif self._peek() != "[":
            yield self._scalar(name, start)
        else:
            opening = self._take()
            if self._peek() not in _OPEN:
                while self._take()[0] != "]":
                    pass
                end = self._tokens[self._next - 1].end()
                yield Field(name, start, end, self._text[opening.start() : end])
                return
            while self._peek() != "]":
                if self._peek() == ",":
                    self._take()
                else:
                    yield self._message(name, self._tokens[self._next].start())
            self._take()

    def _message(self, name: str, start: int) -> Field:
        self._take()
        fields = tuple(self.fields())
        return Field(name, start, self._take().end(), fields=fields)

    def _scalar(self, name: str, start: int) -> Field:
        first = last = self._take()
        while first[0][0] in "\"'" and self._peek()[0] in "\"'":  # strings that follow are joined
            last = self._take()
        return Field(name, start, last.end(), self._text[first.start() : last.end()])
