"""The dependency rule: servers <- loadtests <- analysis, all of them <- commands <- study.py."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("servers", "loadtests", "analysis", "bundle", "commands")
LOCUST_FILES = {
    *("locustfile.py", "replay.py", "stock_users.py", "locust_command.py"),
    *("dispatcher.py", "gevent_clients.py", "gevent_socket.py", "calls.py", "http_client.py"),
    *("grpc_client.py", "grpc_connection.py", "identity.py"),
}

ROOT_OF_COMPOSITION = {"study", "commands"}
FORBIDDEN = {
    "servers": {"loadtests", "analysis", "bundle", "locust"} | ROOT_OF_COMPOSITION,
    "loadtests": {"analysis", "bundle", "torch", "transformers", "onnxruntime", "litserve"}
    | ROOT_OF_COMPOSITION,
    "analysis": {"servers", "bundle", "locust", "gevent", "tritonclient", "torch", "transformers"}
    | ROOT_OF_COMPOSITION,
    "bundle": {"loadtests", "analysis", "locust", "gevent", "torch", "transformers"}
    | ROOT_OF_COMPOSITION,
    "commands": {"study", "locust", "gevent", "torch", "transformers"},
}


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def top(module: str) -> str:
    return module.split(".")[0]


def source_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_study_py_only_names_the_commands() -> None:
    imported = {top(module) for module in imported_modules(ROOT / "study.py")}
    assert imported - sys.stdlib_module_names == {"commands", "typer"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_what_the_dependency_rule_forbids(package: str) -> None:
    breaches = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in source_files(package)
        for module in imported_modules(path)
        if top(module) in FORBIDDEN[package]
    ]
    assert breaches == []


def test_only_the_locust_files_import_locust_or_gevent() -> None:
    breaches = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in source_files("loadtests")
        for module in imported_modules(path)
        if top(module) in {"locust", "gevent", "geventhttpclient"} and path.name not in LOCUST_FILES
    ]
    assert breaches == []


def test_loadtests_and_analysis_meet_only_in_the_records() -> None:
    doors = {
        module
        for path in source_files("analysis")
        for module in imported_modules(path)
        if top(module) == "loadtests"
    }
    records = {"loadtests.records", "loadtests.slo", "loadtests.tables"}
    records |= {"loadtests.disturbance", "loadtests.growth"}
    how_files_are_handled = {"loadtests.stored", "loadtests.result_folder", "loadtests.markdown"}
    assert doors <= records | how_files_are_handled


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (("study",), {"torch", "transformers", "locust", "gevent", "analysis"}),
        (("analysis.derive",), {"torch", "transformers", "locust", "gevent", "tritonclient"}),
    ],
)
def test_importing_it_does_not_pull_in_what_it_may_not_use(
    modules: tuple[str, ...], heavy: set[str]
) -> None:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert heavy & {top(name) for name in done.stdout.split()} == set()


def test_no_file_beside_the_locust_files_shadows_a_standard_or_installed_module() -> None:
    # Locust puts the folder of its file first on the path.
    names = {path.stem for path in (ROOT / "loadtests").glob("*.py")} - {"__init__"}
    assert names & set(sys.stdlib_module_names) == set()
    code = (
        "import importlib.util, sys; sys.path = [p for p in sys.path if p]; "
        "print(*[n for n in sys.argv[1:] if importlib.util.find_spec(n)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *sorted(names)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "tests",
    )
    assert done.stdout.split() == []


def test_no_folder_of_servers_is_named_after_a_library_it_imports() -> None:
    folders = {path.parent.name for path in (ROOT / "servers").glob("*/__init__.py")}
    libraries = {
        top(module) for path in source_files("servers") for module in imported_modules(path)
    } - set(PACKAGES)
    assert folders & libraries == set()
