"""What the processor can do that changes numbers or times, as the system and the environment say; imports no torch.

Two variables of the environment lower what is used of it: `ONEDNN_MAX_CPU_ISA` for oneDNN, which computes convolutions,
and `ATEN_CPU_CAPABILITY` for torch's own kernels. Together, with the values `AVX2` and `avx2`, they emulate an older
processor.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reeltrace.errors import UserError

FLAGS = ("avx", "avx2", "fma", "avx_vnni", "avx_ne_convert", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16")
TILES = ("amx_tile", "amx_bf16", "amx_fp16")
ARM = ("asimd", "bf16", "sve", "sve2")  # as Linux names them on such processors
UNITS = ("avx512_bf16", "amx_bf16", "bf16")  # any of them multiplies bfloat16 numbers
# Values of ONEDNN_MAX_CPU_ISA below the first instruction set with such units, and the others that oneDNN knows.
BELOW = ("sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni")
ABOVE = (
    *("avx512_core_bf16", "avx512_core_fp16", "avx512_core_amx", "avx512_core_amx_fp16"),
    *("avx10_1_512", "avx10_1_512_amx", "avx10_1_512_amx_fp16", "avx10_2_512", "avx10_2_512_amx_2"),
    *("default", "all"),
)
# Values of ATEN_CPU_CAPABILITY, and what the processor must have: torch asks no further, and would be ended by it.
CAPABILITIES: dict[str, tuple[str, ...]] = {
    "default": (),
    "avx2": ("avx2", "fma"),
    "avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"),
}
X86 = ("x86_64", "AMD64")


def features(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str] | None:
    """The instruction sets of `FLAGS`, `TILES` and `ARM` that this processor has; None where the system is silent."""
    found = _flags(cpuinfo)
    return None if found is None else [flag for flag in (*FLAGS, *TILES, *ARM) if flag in found]


def name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The model name of the processor; where the system does not say it, what Python knows."""
    with contextlib.suppress(OSError):
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, words = line.partition(":")
            if key.strip() == "model name" and words.strip():
                return words.strip()
    return platform.processor() or platform.machine()


def limits(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that lower what is used of the processor, with their values; empty where none is set."""
    found = {}
    onednn = environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA")
    if onednn:
        found["ONEDNN_MAX_CPU_ISA"] = onednn
    if environment.get("ATEN_CPU_CAPABILITY"):
        found["ATEN_CPU_CAPABILITY"] = environment["ATEN_CPU_CAPABILITY"]
    return found


def check_limits(
    environment: Mapping[str, str] = os.environ,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    machine: str | None = None,
) -> None:
    """Raises `UserError` for a limit that the libraries do not know, and would ignore, or that no such processor has.

    oneDNN reads its variables in upper and lower case, torch its own in lower case alone. Of other architectures than
    x86 the values are not looked at.
    """
    if (machine or platform.machine()) not in X86:
        return
    for variable in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        found = environment.get(variable, "")
        if found and found.lower() not in (*BELOW, *ABOVE):
            raise UserError(
                f"{variable}: found {found!r}, which oneDNN would ignore; expected one of "
                f"{', '.join((*BELOW, *ABOVE)).upper()}"
            )
    found, flags = environment.get("ATEN_CPU_CAPABILITY", ""), _flags(cpuinfo)
    if found and found not in CAPABILITIES:
        raise UserError(
            f"ATEN_CPU_CAPABILITY: found {found!r}, which torch would ignore; expected one of "
            f"{', '.join(CAPABILITIES)}, in lower case"
        )
    missing = [flag for flag in CAPABILITIES.get(found, ()) if flags is not None and flag not in flags]
    if missing:
        raise UserError(
            f"ATEN_CPU_CAPABILITY: found {found!r}, but this processor has no {missing[0]}; unset it, or lower it to "
            "avx2 or default"
        )


def describe() -> dict[str, Any]:
    """Features and limits as plain JSON data, the same in every run on one machine."""
    return {"architecture": platform.machine(), "features": features(), "limits": limits()}


def has_bfloat16_units(cpuinfo: Path = Path("/proc/cpuinfo"), environment: Mapping[str, str] = os.environ) -> bool:
    """Whether there are units that multiply bfloat16 numbers, and oneDNN may use them.

    Without them it converts to float32 and back: the same rounding, at many times the cost.
    """
    limit = limits(environment).get("ONEDNN_MAX_CPU_ISA", "").lower()
    found = features(cpuinfo)
    return found is not None and any(unit in found for unit in UNITS) and limit not in BELOW


def cost_of_emulation(device: str, converts: bool) -> str:
    """What bfloat16 costs on a device ("cpu", "cuda") that only emulates it, and what to do, in one line.

    `converts` is whether oneDNN has a way with AVX-512 that converts quickly. The factors are measured: forward and
    backward of the nets here, one thread.
    """
    factor = "many times as long as" if device == "cuda" else "2 to 3 times" if converts else "19 to 30 times"
    factor += "" if device == "cuda" else " as long as"
    return (
        f"bfloat16 is only emulated on this {'GPU' if device == 'cuda' else 'processor'} and takes {factor} float32; "
        "write `precision: float32` in params.yaml"
    )


@functools.cache
def _flags(cpuinfo: Path) -> frozenset[str] | None:
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, values = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(values.split())
    return None
