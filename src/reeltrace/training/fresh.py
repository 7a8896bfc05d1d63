"""torch in a process that runs one stage after another: each finds it as a process of its own would.

A stage sets how many threads compute, what is deterministic, what may use TF32, and may draw from torch's generators.
None of that is to reach the next one.
"""

from __future__ import annotations

import gc
import os
from typing import Any

import torch

from reeltrace.machine import process_memory
from reeltrace.training.loop import WORKSPACE, WORKSPACES

FLAGS: tuple[tuple[Any, str], ...] = (
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
    (torch.utils.deterministic, "fill_uninitialized_memory"),
)


class Fresh:
    """torch as it is when this is made, before any stage has run."""

    def __init__(self) -> None:
        self.threads, self.seed = torch.get_num_threads(), torch.initial_seed()
        self.mode, self.type = torch.get_deterministic_debug_mode(), torch.get_default_dtype()
        self.flags = [getattr(of, name) for of, name in FLAGS]

    def restore(self) -> None:
        """Make it so again, and give back the memory of what ran before; peaks of memory count from here.

        cuBLAS reads its workspace once per process, so it is set here for whatever uses a GPU first.
        """
        gc.collect()
        torch.set_num_threads(self.threads)
        torch.set_default_dtype(self.type)
        torch.set_deterministic_debug_mode(self.mode)
        for (of, name), value in zip(FLAGS, self.flags, strict=True):
            setattr(of, name, value)
        if torch.cuda.is_available():
            os.environ.setdefault(WORKSPACE, WORKSPACES[0])
        torch.manual_seed(self.seed)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        process_memory.count_anew()
