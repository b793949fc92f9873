"""How many floating-point operations a second a device reaches in large matrix products."""

import time
from statistics import median

import torch

from servers.engines import Device, Precision

_TYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}
# Large enough that the product, and not its start or the memory, takes the time.
_WIDTHS: dict[Device, int] = {"cpu": 512, "cuda": 8192}
_PRODUCTS: dict[Device, int] = {"cpu": 1, "cuda": 20}
_ROUNDS = 5


def matmul_flops_per_s(device: Device, precision: Precision) -> float | None:
    """The median over rounds of 2 n^3 operations a product; None where PyTorch cannot use the
    device. FP32 is FP32: TF32 stays off, as in the engines."""
    if device == "cuda" and not torch.cuda.is_available():
        return None
    width, products = _WIDTHS[device], _PRODUCTS[device]
    one, other = (torch.randn(width, width, device=device).to(_TYPES[precision]) for _ in "ab")
    rounds_s = []
    for _ in range(_ROUNDS + 1):
        started = time.perf_counter()
        for _ in range(products):
            torch.mm(one, other)
        if device == "cuda":
            torch.cuda.synchronize()  # the products were only started so far
        rounds_s.append(time.perf_counter() - started)
    return products * 2 * float(width) ** 3 / median(rounds_s[1:])  # the first one warms up
