"""The network in PyTorch without the dispatch of each operation: compiled once, kept on disk.

AOTInductor compiles where a C++ compiler is at hand; elsewhere the network is traced and frozen.
"""

import os
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from servers.classifier.artefacts import cached_folder, digest_of, digest_of_files, versions_of
from servers.classifier.model_info import read_model_info
from servers.classifier.parity import require_parity
from servers.classifier.progress import say
from servers.contract import MAX_BATCH_TEXTS, MAX_LENGTH_TOKENS
from servers.cpu_model import cpu_model

AOTINDUCTOR_FILE, TRACED_FILE = "network.pt2", "network.ts"

Run = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def compiled_network(model_dir: Path) -> Path:
    """The compiled file of model_dir, made in a folder beside it when it is not there yet;
    ClassifierError when its answers are not those of the network.

    The folder's name is a digest of all that the code in it depends on, this processor too.
    """
    digest = digest_of(
        {
            "model": read_model_info(model_dir).digest,
            "code": digest_of_files([Path(__file__)]),
            "versions": versions_of("torch", "transformers"),
            "processor": cpu_model(),
            "compiler": _has_compiler(),
        }
    )
    model_dir = model_dir.resolve()

    def make(folder: Path) -> None:
        _make(model_dir, folder)

    folder = cached_folder(model_dir.parent, f"{model_dir.name}-compiled-{digest}", make)
    compiled = folder / AOTINDUCTOR_FILE
    return compiled if compiled.exists() else folder / TRACED_FILE


def load_compiled(path: Path, concurrent_runs: int = 1) -> Run:
    if path.name == AOTINDUCTOR_FILE:
        from torch._inductor.package import load_package

        loader = load_package(str(path), num_runners=concurrent_runs).loader
        # Called as a module, it parses a description of its inputs each time: 0.25 ms.
        return lambda input_ids, attention_mask: loader.run([input_ids, attention_mask])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it is what needs no compiler
        traced: Run = torch.jit.load(str(path))
    return traced


def logits_of(
    run: Run, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits = run(torch.from_numpy(input_ids), torch.from_numpy(attention_mask))
    array: NDArray[np.float32] = logits.numpy()
    return array


def _has_compiler() -> bool:
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def _make(model_dir: Path, folder: Path) -> None:
    # Here: transformers is slow to import, and serving needs none of it.
    from transformers import AutoModelForSequenceClassification

    from servers.classifier.export import Logits

    network = AutoModelForSequenceClassification.from_pretrained(
        model_dir, attn_implementation="eager", local_files_only=True
    ).eval()
    logits = Logits(network).eval()

    def make(how: Callable[[torch.nn.Module, Path], None], path: Path) -> None:
        with torch.no_grad(), warnings.catch_warnings():
            # PyTorch's deprecations, and that a trace may not hold for other shapes: it is proved.
            warnings.simplefilter("ignore")
            how(logits, path)
            infer = partial(logits_of, load_compiled(path))
        size = network.config.vocab_size
        require_parity(partial(logits_of, logits), infer, size, "the compiled network")
        path.chmod(0o644)

    why = "no C++ compiler (g++, or CXX) found"
    if _has_compiler():
        say(f"compiling {model_dir.name} with AOTInductor: about a minute, once")
        try:
            return make(_compile, folder / AOTINDUCTOR_FILE)
        except Exception as error:  # of the compiler, of what it was given, of what came out
            why = f"AOTInductor failed ({str(error).strip().splitlines()[0]})"
            (folder / AOTINDUCTOR_FILE).unlink(missing_ok=True)
    say(f"{why}: {model_dir.name} is traced and frozen")
    return make(_trace, folder / TRACED_FILE)


def _compile(network: torch.nn.Module, path: Path) -> None:
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.utils import fresh_cache

    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH_TEXTS)
    length = torch.export.Dim("length", min=1, max=MAX_LENGTH_TOKENS)
    shape = {0: batch, 1: length}
    program = torch.export.export(network, _examples(), dynamic_shapes=(shape, shape))
    with fresh_cache():
        # Dynamic: else the number of threads would be that of the process that compiles.
        options = {"cpp.dynamic_threads": True}
        aoti_compile_and_package(program, package_path=str(path), inductor_configs=options)


def _trace(network: torch.nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.freeze(torch.jit.trace(network, _examples())), str(path))


def _examples() -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors: torch.export takes one that is given twice for a single input."""
    return torch.ones((2, 12), dtype=torch.int64), torch.ones((2, 12), dtype=torch.int64)
