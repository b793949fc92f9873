"""How a Triton is started and measured, as compose files and scripts say it."""

from collections.abc import Mapping
from dataclasses import dataclass

from servers.triton_service.doctor.places import Place, Release


@dataclass(frozen=True)
class Word:
    """A word of a command line, or a value of a compose file, and where it stands."""

    text: str
    place: Place


@dataclass(frozen=True)
class Deployment:
    """How a Triton is started: a service of a compose file, or a `docker run`.

    flags are those after `tritonserver`; texts has every file that says something about it.
    """

    name: str
    place: Place
    texts: Mapping[str, str]
    image: Word | None = None
    flags: tuple[Word, ...] = ()
    ports: tuple[Word, ...] = ()
    volumes: tuple[Word, ...] = ()
    shm_size: str | None = None
    host_ipc: bool = False
    ulimits: frozenset[str] = frozenset()
    gpu: bool = False
    compose: bool = True

    @property
    def release(self) -> Release | None:
        return Release.parse(self.tag)

    @property
    def tag(self) -> str:
        return self.image.text.rpartition(":")[2] if self.image and ":" in self.image.text else ""

    @property
    def flavour(self) -> str:
        """py3, trtllm-python-py3 and so on."""
        return self.tag.partition("-")[2]

    def flag(self, name: str) -> str | None:
        """Its value; "true" where it stands alone; None where it is not given."""
        for k, word in enumerate(self.flags):
            given, equals, value = word.text.partition("=")
            if given == f"--{name}":
                after = self.flags[k + 1].text if k + 1 < len(self.flags) else ""
                return value if equals else "true" if after.startswith("-") or not after else after
        return None


@dataclass(frozen=True)
class ScriptLine:
    """A command of a shell script that is no start of a server."""

    words: tuple[str, ...]
    place: Place
    text: str
