"""Writes the archive, whole or in parts, with its checksums and the script that installs it."""

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.errors import BundleError
from bundle.gather import Contents

if TYPE_CHECKING:
    from typing_extensions import Buffer

NAME = "study-bundle"
SUMS = "SHA256SUMS"
MIB = 1 << 20


def contents_files(contents: Contents) -> dict[str, Path]:
    """The files of the archive by their names in it, less the three that packing writes."""
    wheels = {f"wheels/{one.wheel.name}": one.wheel for one in contents.closure.packed.values()}
    numpy = contents.triton_numpy
    return {
        **dict(sorted(wheels.items())),
        **({f"triton-wheels/{numpy.wheel.name}": numpy.wheel} if numpy else {}),
        **{
            f"artefacts/{size}/{path.name}": path
            for size, folder in contents.models.items()
            for path in sorted(folder.iterdir())
        },
        "project.tar": contents.project_tar,
    }


def write_bundle(contents: Contents, out: Path, part_bytes: int | None) -> Path:
    """The new folder under out with install.sh, SHA256SUMS and the archive, in parts of at most
    part_bytes if given. An earlier bundle for the same Python is replaced once this one is whole.
    """
    folder = out / f"{NAME}-py{contents.target.python}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as unfinished:
            new = Path(unfinished) / folder.name
            new.mkdir()
            _fill(new, contents, part_bytes)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    except OSError as error:
        raise BundleError(
            f"expected to write the bundle to {out}, found: {error.strerror}; "
            "nothing was left there: give another --out or make room."
        ) from error
    return folder


def _fill(folder: Path, contents: Contents, part_bytes: int | None) -> None:
    script = files("bundle").joinpath("install.sh").read_text(encoding="utf-8")
    script = script.replace("@python@", contents.target.python).replace("@commit@", contents.commit)
    with tempfile.TemporaryDirectory() as own:
        written = {name: Path(own) / name for name in ("install.sh", "about.json", SUMS)}
        written["install.sh"].write_text(script, encoding="utf-8")
        about = json.dumps(_about(contents), indent=2)
        written["about.json"].write_text(about + "\n", encoding="utf-8")
        members = {**contents_files(contents), "about.json": written["about.json"]}
        written[SUMS].write_text(_sums(members), encoding="utf-8")
        with _Parts(folder / f"{NAME}.tar", part_bytes) as stream:
            # In the order of reading: a person who looks inside sees the script first.
            _write_tar(stream, {**{n: written[n] for n in ("install.sh", SUMS)}, **members})
    parts = {path.name: path for path in sorted(folder.iterdir())}
    (folder / SUMS).write_text(_sums(parts), encoding="utf-8")
    (folder / "install.sh").write_text(script, encoding="utf-8")
    (folder / "install.sh").chmod(0o755)


def _write_tar(stream: io.BufferedIOBase, members: Mapping[str, Path]) -> None:
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        for name, path in members.items():
            info = tar.gettarinfo(path, f"{NAME}/{name}")
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mode = 0o644
            with path.open("rb") as content:
                tar.addfile(info, content)


def _sums(paths: Mapping[str, Path]) -> str:
    """As sha256sum writes and checks them."""
    return "".join(f"{_sha256(path)}  {name}\n" for name, path in paths.items())


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _about(contents: Contents) -> dict[str, Any]:
    closure = contents.closure
    return {
        "python": contents.target.python,
        "platform": contents.target.platform,
        "commit": contents.commit,
        "packed": {name: str(one.version) for name, one in closure.packed.items()},
        "expected_there": {
            name: str(version) if version else None for name, version in closure.present.items()
        },
    }


class _Parts(io.BufferedIOBase):
    """A file to write to: path itself, or path.part-001 and so on, each of part_bytes at most."""

    def __init__(self, path: Path, part_bytes: int | None) -> None:
        self._path = path
        self._part_bytes = part_bytes
        self._number = 0
        self._open()

    def _open(self) -> None:
        self._number += 1
        self._left = self._part_bytes or 0
        part = f".part-{self._number:03d}" if self._part_bytes else ""
        self._file = self._path.with_name(f"{self._path.name}{part}").open("wb")

    def write(self, content: "Buffer", /) -> int:
        view = memoryview(content)
        while self._part_bytes and len(view) > self._left:
            self._file.write(view[: self._left])
            view = view[self._left :]
            self._file.close()
            self._open()
        self._left -= len(view)
        self._file.write(view)
        return len(memoryview(content))

    def close(self) -> None:
        self._file.close()
        super().close()
