"""The project as it is committed."""

import subprocess
import tarfile
from pathlib import Path

from bundle.errors import BundleError


def archive_head(root: Path, archive: Path) -> str:
    """Writes the files of root's HEAD to archive, a tar, and returns the commit."""
    _git(root, "archive", "--format=tar", f"--output={archive}", "HEAD")
    return _git(root, "rev-parse", "HEAD")


def changed_files(root: Path) -> int:
    """How many files differ from HEAD, or are not in it and not ignored."""
    return len(_git(root, "status", "--porcelain").splitlines())


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def _git(root: Path, *arguments: str) -> str:
    # Whoever runs code from this folder trusts it, whoever owns it.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BundleError("expected git on the PATH, found none: install it.") from None
    if done.returncode:
        raise BundleError(
            f"expected a git checkout with a commit in {root}, found: "
            f"{done.stderr.strip() or done.returncode}: make the bundle from a clone."
        )
    return done.stdout.strip()
