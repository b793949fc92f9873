"""The dependency rule: servers <- loadtests <- analysis, all of them <- commands <- study.py."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("servers", "loadtests", "analysis", "bundle", "commands")
ROOMS = {
    "loadtests": (
        *("host", "records", "wire", "spec", "plan", "generator", "launch", "measure", "run"),
        *("live", "selfcheck", "colocation", "tune"),
    ),
    "analysis": (
        *(
            "read",
            "steady",
            "validity",
            "capacity",
            "predict",
            "overload",
            "compare",
            "decide",
            "claims",
            "colocation",
        ),
        *("report", "agreement", "tune", "selfcheck"),
    ),
}
"""The rooms of a package in the order of the flow: each imports only from those before it."""

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


def room_of(module: str) -> str | None:
    """Second part of a module's name where that is a room."""
    first, *rest = module.split(".")
    return rest[0] if rest and rest[0] in ROOMS.get(first, ()) else None


@pytest.mark.parametrize("package", ROOMS)
def test_every_folder_of_a_package_is_a_room_that_says_what_it_does(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).glob("*/__init__.py")}
    assert {folder.name for folder in folders} == set(ROOMS[package])
    for folder in folders:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert text, folder
        for part in ("In: ", "Out: ", "May import: "):
            assert part in text, f"{folder.name} does not say {part}"


@pytest.mark.parametrize("package", ROOMS)
def test_a_room_imports_only_from_the_rooms_before_it(package: str) -> None:
    order = ROOMS[package]
    breaches = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in source_files(package)
        if (mine := path.relative_to(ROOT / package).parts[0]) in order
        for module in imported_modules(path)
        if top(module) == package
        and ((theirs := room_of(module)) is None or order.index(theirs) > order.index(mine))
    ]
    assert breaches == []


def test_only_the_generator_imports_locust_or_gevent() -> None:
    by_hand = ROOT / "loadtests" / "locustfile.py"
    generator = ROOT / "loadtests" / "generator"
    breaches = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in source_files("loadtests")
        for module in imported_modules(path)
        if top(module) in {"locust", "gevent", "geventhttpclient"}
        and path != by_hand
        and not path.is_relative_to(generator)
    ]
    assert breaches == []


def test_analysis_enters_loadtests_by_its_records_only() -> None:
    doors = {
        module
        for path in source_files("analysis")
        for module in imported_modules(path)
        if top(module) == "loadtests"
    }
    assert {room_of(module) for module in doors} == {"records"}


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (("study",), {"torch", "transformers", "locust", "gevent", "analysis"}),
        (("analysis.derive",), {"torch", "transformers", "locust", "gevent", "tritonclient"}),
        # Half a second, and the two that a grammar of IRIs takes.
        (("loadtests.run.flow", "analysis.report.notebook"), {"scipy.stats", "lark"}),
    ],
)
def test_importing_it_does_not_pull_in_what_it_may_not_use(
    modules: tuple[str, ...], heavy: set[str]
) -> None:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = done.stdout.split()
    assert heavy & {*loaded, *map(top, loaded)} == set()


def test_no_file_beside_the_locust_files_shadows_a_standard_or_installed_module() -> None:
    # Locust puts the folder of its file first on the path.
    folders = (ROOT / "loadtests", ROOT / "loadtests" / "generator")
    inside = [path for folder in folders for path in folder.iterdir()]
    names = {
        path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    names -= {"__init__"}
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
