import os
import shutil
import signal
import subprocess
import sys
import time
from html import unescape

import nbformat
import psutil
import pytest

from analysis.report.figures.catalogue import figures
from analysis.report.notebook import NOTEBOOKS, STUDY, execute_notebook, names
from analysis.report.words import certificates, decision
from loadtests.records.stored import RecordError


@pytest.fixture(scope="module")
def executed(searched_run, tmp_path_factory):
    """A notebook, and the folder for temporary files that it had: one with a long name."""
    here = tmp_path_factory.mktemp("executed")
    (here / "analysis.py").write_text("raise RuntimeError('of the working directory')")
    temporary = here / ("a long é name " * 8)
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr("tempfile.tempdir", str(temporary))
        return execute_notebook(searched_run, here / "study.ipynb"), temporary


def test_the_notebook_executes_on_a_run_and_shows_its_recommendation(executed, searched_summary):
    path, _ = executed
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    text = path.read_text(encoding="utf-8")
    for choice in searched_summary.recommendation.choices:
        assert decision.rates(choice) in text
    assert "search-fastapi-71rps-0" in text
    tables = [output["data"]["text/html"] for output in outputs if "text/html" in output["data"]]
    words = " ".join(unescape(" ".join(tables)).split())
    for choice in searched_summary.recommendation.choices:
        assert decision.because(choice, searched_summary.recommendation.out) in words
    for trial in searched_summary.trials:
        for finding in trial.findings:
            assert certificates.found(finding) in words
    assert "..." not in words, "a table was cut"
    shown = sum("image/svg+xml" in output.get("data", {}) for output in outputs)
    assert shown == len(figures(searched_summary))


def test_a_folder_without_a_manifest_is_refused_before_a_kernel_starts(tmp_path):
    with pytest.raises(RecordError, match=r"expected manifest\.json"):
        execute_notebook(tmp_path, tmp_path / "study.ipynb")


def test_the_notebook_script_asks_for_the_run_it_lacks():
    ran = subprocess.run(
        [sys.executable, NOTEBOOKS / f"{STUDY}.py"],
        env={"PYTHONPATH": os.environ["PYTHONPATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "STUDY_RUN" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_notebook_of_the_study_is_the_first_of_five():
    assert names() == ["study", "claims", "devices", "gain", "planning"]


def test_the_notebook_needs_nothing_of_the_working_directory(searched_run, tmp_path, monkeypatch):
    monkeypatch.chdir("/proc")  # nobody can create a socket there, not even root
    path = execute_notebook(searched_run.resolve(), tmp_path / "study.ipynb")
    assert "recommendation" in path.read_text(encoding="utf-8").lower()


def test_a_folder_for_temporary_files_may_have_a_long_name(executed):
    path, temporary = executed
    assert path.exists()
    assert list(temporary.iterdir()) == []


def is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


def test_ctrl_c_while_it_runs_ends_the_command_with_a_word_and_leaves_no_kernel(
    searched_run, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(searched_run, folder)
    command = [sys.executable, "-m", "study", "report", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as reporting:
        kernels: list[psutil.Process] = []
        deadline = time.monotonic() + 120
        while not kernels:
            assert reporting.poll() is None
            assert time.monotonic() < deadline
            family = psutil.Process(reporting.pid).children(recursive=True)
            kernels = [each for each in family if is_kernel(each)]
            time.sleep(0.02)
        reporting.send_signal(signal.SIGINT)
        _, said = reporting.communicate(timeout=60)
    assert (reporting.returncode, said.strip()) == (130, "Stopped.")
    _, alive = psutil.wait_procs(kernels, timeout=15)
    assert alive == []
