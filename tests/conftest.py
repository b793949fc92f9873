"""Fixtures shared by all tests, by what they are for, and the suite's surroundings."""

import os
import signal
import sys
import urllib.request

from servers.surroundings import child_environment

# pytest takes fixtures and hooks from the names of this module: nothing else uses the imports.
from .fixtures.artefacts import (  # noqa: F401
    artefacts,
    model_dir,
    root,
    study_cache,
    study_seed,
    traffic,
)
from .fixtures.contenders import (  # noqa: F401
    refusal,
    shared_hybrid,
    shared_triton,
    start_contender,
)
from .fixtures.machine import (  # noqa: F401
    _machine_of_its_own,
    _restore_signals,
    alive,
    family_of,
    plain_tmp_path,
)
from .fixtures.studies import (  # noqa: F401
    brief_curves,
    machine_left_alone,
    run_unheard,
)
from .scheduling import (  # noqa: F401
    pytest_collection,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_xdist_make_scheduler,
)

# What the suite asks is on this machine, whatever proxy the environment names.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach a model hub
# PyTorch's threads wait for each other, and where other tests have their cores, most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(child_environment(os.environ))
# Hundreds of children import this project: compiled once, whatever the caller's shell says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# jsonschema, which nbformat imports, compiles a grammar of IRIs wherever it finds this package:
# seconds in each process, and nothing here reads an IRI.
sys.modules["rfc3987_syntax"] = None


def pytest_configure() -> None:
    """Started in the background of a script, the suite would hand down that Ctrl-C is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
