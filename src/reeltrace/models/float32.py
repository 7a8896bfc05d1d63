"""float32 on a GPU: whether its convolutions, recurrent nets and matrix products are float32, or TF32.

TF32 rounds what is multiplied to 10 bits of mantissa. torch lets cuDNN use it unless told otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

EXACT, TF32 = "ieee", "tf32"


def _places() -> dict[str, Any]:
    """Where torch keeps the choice. None of them is of influence on a CPU."""
    cudnn: Any = torch.backends.cudnn
    return {"convolutions": cudnn.conv, "recurrent": cudnn.rnn, "matrix_products": torch.backends.cuda.matmul}


def tf32_in_use() -> dict[str, bool]:
    """What may compute in TF32 now."""
    return {name: place.fp32_precision == TF32 for name, place in _places().items()}


def use_float32() -> None:
    """Let float32 be float32 from here on."""
    for place in _places().values():
        place.fp32_precision = EXACT


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Let float32 be float32 within, whatever holds outside."""
    before = {name: place.fp32_precision for name, place in _places().items()}
    use_float32()
    try:
        yield
    finally:
        for name, place in _places().items():
            place.fp32_precision = before[name]
