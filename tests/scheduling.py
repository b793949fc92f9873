"""In which order tests run, and which of the suite's processes runs them."""

import gc
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What shares a running server bears its name, as the contract's tests do."""
    for name in ("shared_triton", "shared_hybrid"):
        if name in metafunc.fixturenames:
            ids = [f"<server {name}>"]
            metafunc.parametrize(name, [name], indirect=True, scope="session", ids=ids)


def _scope_of(nodeid: str) -> str:
    """What one process runs: the tests that share a server, or those of a file."""
    server = re.search("<server .*?>", nodeid)
    return server[0] if server else nodeid.partition("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts servers or a study comes first, so that no process is left with it at the end.
    The analysis, whose tests share synthetic runs, comes last: to the process that begins there."""

    def is_short(item: pytest.Item) -> bool:
        fixtures = getattr(item, "fixturenames", ())
        return not (item.get_closest_marker("live") or "artefacts" in fixtures)

    scopes = {scope: k for k, scope in enumerate(_scope_of(item.nodeid) for item in items)}
    items.sort(key=lambda item: -scopes[_scope_of(item.nodeid)] if is_short(item) else -math.inf)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Imports make a million objects that all stay: looking for garbage there costs seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class _ByServerOrFile(LoadScopeScheduling):
    """One process takes all tests that share a running server, so that each is started once. Of
    several processes one begins with the last tests, which compute, while others wait for load."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node is self.nodes[-1] is not self.nodes[0]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # as sorted above, not by the number of tests
    return _ByServerOrFile(config, log)
