"""What a run's manifest says of the project it came from."""

import subprocess
from pathlib import Path

import pytest

from loadtests.run.manifest import describe_git


def test_the_commit_is_known_in_a_clone_that_another_user_owns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        identity = ["-c", "user.name=suite", "-c", "user.email=suite@localhost"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True)
    mine = describe_git(tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    assert describe_git(tmp_path) == mine
    assert mine["commit"] is not None
