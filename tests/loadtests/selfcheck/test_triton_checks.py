"""The checks of what the real server does: what they ask for, and a few of them asked."""

import re
from pathlib import Path
from unittest.mock import Mock

import pytest
from tritonclient.utils import InferenceServerException

from loadtests.records.behaviour import read_behaviour
from loadtests.selfcheck.tiny_models import tiny_models, write_models
from loadtests.selfcheck.triton_bench import bench
from loadtests.selfcheck.triton_checks import CHECKS, Check
from servers.triton_service.checks import parse_config

BEHAVIOUR = Path("results/reference-triton-behaviour/behaviour.json")


def test_every_tiny_model_is_a_valid_configuration_but_the_one_that_is_misspelt() -> None:
    configs = {model.folder: model.config for model in tiny_models() if model.config is not None}
    misspelt = configs.pop("misspelt")
    for folder, config in configs.items():
        assert parse_config(config, folder).input
    assert "dynamic_batch {" in misspelt


def test_every_version_of_a_tiny_model_has_its_file(tmp_path: Path) -> None:
    write_models(tmp_path, tiny_models())
    assert {path.parent.name for path in (tmp_path / "versions").glob("*/model.py")} == {
        *("1", "2", "3")
    }
    assert not (tmp_path / "unconfigured" / "config.pbtxt").exists()


def test_what_a_check_asks_for_exists_in_the_repository() -> None:
    known = {model.folder for model in tiny_models()}
    sources = Path(__file__).parents[3] / "loadtests" / "selfcheck"
    asked = {
        name
        for file in ("triton_checks.py", "triton_concurrent.py", "triton_single.py")
        for name in re.findall(
            r'(?:load|_loads|_refuses_to_load|_serves_versions)\(\s*"([a-z-]+)"',
            (sources / file).read_text(encoding="utf-8"),
        )
    }
    assert len(asked) > 10
    assert asked <= known


def test_a_server_that_fails_at_a_check_was_not_as_expected() -> None:
    look = Mock(side_effect=InferenceServerException("gone"))
    found = Check((1,), "an answer", look).run(Mock())
    assert (found.as_expected, found.found) == (False, "gone")


def test_what_was_found_is_one_line() -> None:
    found = Check((1,), "an answer", lambda _: (True, "two\n  lines")).run(Mock())
    assert found.found == "two lines"


def test_the_committed_findings_are_those_of_the_checks_as_they_are(root: Path) -> None:
    findings = read_behaviour(root / BEHAVIOUR).findings
    assert [(each.statements, each.expected) for each in findings] == [
        (list(check.statements), check.expected) for check in CHECKS
    ]
    assert [each.expected for each in findings if not each.as_expected] == []


@pytest.mark.live
def test_the_real_server_is_asked(plain_tmp_path: Path) -> None:
    cheap = [check for check in CHECKS if {51, 61, 79} & set(check.statements)]
    with bench(plain_tmp_path) as running:
        found = [check.run(running) for check in cheap]
    assert len(found) == 3
    assert [each for each in found if not each.as_expected] == []
