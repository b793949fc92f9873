"""Writes the archive, whole or in parts, with its checksums and the script that installs it."""

import glob
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from importlib.resources import files
from pathlib import Path

from bundle.errors import BundleError
from bundle.gather import Contents


def write_bundle(contents: Contents, out: Path, part_bytes: int | None) -> Path:
    """The new folder under out with install.sh, SHA256SUMS and the archive, in parts of at most
    part_bytes if given. An earlier bundle for the same Python is replaced once this one is whole.
    """
    folder = out / f"{contents.folder.name}-py{contents.target.python}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as unfinished:
            new = Path(unfinished) / folder.name
            new.mkdir()
            _fill(new, contents, part_bytes)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        why = error.strerror if isinstance(error, OSError) else error.stderr.strip()
        raise BundleError(
            f"expected to write the bundle to {out}, found: {why}; "
            "nothing was left there: give another --out or make room."
        ) from error
    return folder


def files_in(folder: Path) -> dict[str, Path]:
    """By their names in folder, in order; what is linked there counts."""
    names = sorted(glob.glob("**", root_dir=folder, recursive=True))
    return {name: folder / name for name in names if (folder / name).is_file()}


def _fill(folder: Path, contents: Contents, part_bytes: int | None) -> None:
    present, host = contents.packages.present, contents.host
    expected = [f"{name}-gpu" if f"{name}-gpu" in host else name for name in present]
    script = files("bundle").joinpath("install.sh").read_text(encoding="utf-8")
    script = script.replace("@python@", contents.target.python).replace("@commit@", contents.commit)
    script = script.replace("@expected@", " ".join(expected))
    _write_sums(contents.folder)
    (contents.folder / "install.sh").write_text(script, encoding="utf-8")
    archive = folder / f"{contents.folder.name}.tar"
    with tarfile.open(archive, "w", dereference=True) as tar:
        tar.add(contents.folder, contents.folder.name)
    if part_bytes:
        cut = ("split", "--numeric-suffixes=1", "--suffix-length=3", f"--bytes={part_bytes}")
        command = (*cut, str(archive), f"{archive}.part-")
        subprocess.run(command, capture_output=True, text=True, check=True)
        archive.unlink()
    _write_sums(folder)
    (folder / "install.sh").write_text(script, encoding="utf-8")
    (folder / "install.sh").chmod(0o755)


def _write_sums(folder: Path) -> None:
    """As sha256sum writes and checks them."""
    lines = []
    for name, path in files_in(folder).items():
        with path.open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
