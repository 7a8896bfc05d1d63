"""An older processor, emulated: what runs in a process of its own, with AVX2 and nothing newer."""

import os
import subprocess
import sys

OLDER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def run_python(script: str, *arguments: str, older: bool, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with this one's packages, on the processor at hand or on an older one."""
    kept = {name: value for name, value in os.environ.items() if name not in OLDER}
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**kept, "PYTHONPATH": paths, **(OLDER if older else {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
