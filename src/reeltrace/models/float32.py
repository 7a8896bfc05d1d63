"""float32 on a GPU: whether its convolutions and matrix products are computed in float32, or in TF32.

TF32 rounds what is multiplied to 10 bits of mantissa; torch lets cuDNN use it unless told otherwise. The two flags are
those that every version of torch knows; they must not be mixed with the newer `fp32_precision`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


def tf32_in_use() -> dict[str, bool]:
    """What may compute in TF32 now: cuDNN's convolutions and recurrent nets, and cuBLAS's matrix products."""
    return {
        "convolutions": bool(torch.backends.cudnn.allow_tf32),
        "matrix_products": bool(torch.backends.cuda.matmul.allow_tf32),
    }


def use_tf32(convolutions: bool = False, matrix_products: bool = False) -> None:
    """Say what may compute in TF32 from here on. Of no influence on a CPU."""
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = matrix_products


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Let float32 be float32 within, whatever holds outside."""
    before = tf32_in_use()
    use_tf32()
    try:
        yield
    finally:
        use_tf32(**before)
