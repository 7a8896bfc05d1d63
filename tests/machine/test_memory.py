"""Too little memory, and tasks that no machine can do: one line each, before or instead of pages."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conftest import PROJECT, refusal, run_in, system
from invented import FILES, changed, edited
from reeltrace.errors import UserError
from reeltrace.machine import process_memory
from reeltrace.machine.memory import available_memory, explaining_memory, limit, shown, speaks_of_memory
from reeltrace.pipeline.leaf import run
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import load, registry_of
from reeltrace.registry.sizes import refuse_beyond, training

QUICK = "documents/common/quick.yaml"


def within(folder: Path, kibibytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = f'ulimit -v {kibibytes}; exec reeltrace "$@"'
    return run_in(folder, "bash", "-c", line, "bash", *arguments, code=None, timeout=300)


def test_a_training_within_too_little_memory_is_refused_in_one_line(invented: Path) -> None:
    """Each stops the import of torch in another place: OpenBLAS, a library that is mapped, Python, the C++ library."""
    run("data", "digits", invented)
    run("data", "drifting-digits", invented)
    for kibibytes in (300_000, 1_000_000, 2_500_000, 3_050_000):
        done = within(invented, kibibytes, "run", "train", "drift-plain-s0")
        assert done.returncode == 2, done.stderr
        assert re.fullmatch(
            r"reeltrace: train/drift-plain-s0, while its libraries are loaded: memory does not suffice within "
            r"\S+ [GM]iB \(ulimit -v\); raise that limit, .*\n",
            done.stderr,
        )
    assert not (invented / "results/smoke/train/drift-plain-s0/manifest.json").exists()


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (ImportError("libtorch_cuda.so: failed to map segment from shared object"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 8 bytes"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB.\nSee documentation"), True),
        (RuntimeError("can't start new thread"), True),
        (SystemError("<function _find_and_load> returned NULL without setting an exception"), True),
        (SystemError("error return without exception set"), True),
        (SystemError("Objects/dictobject.c:1: bad argument to internal function"), False),
        (RuntimeError("OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ImportError("No module named 'av'"), False),
        (ValueError("allocate"), False),
    ],
)
def test_what_speaks_of_memory_is_said_in_one_line(error: Exception, memory: bool) -> None:
    assert speaks_of_memory(error) is memory
    with pytest.raises(UserError if memory else type(error)) as caught, explaining_memory("train/x"):
        raise error
    if memory:
        assert re.fullmatch(r"train/x: memory does not suffice[^\n]*; raise that limit[^\n]*", str(caught.value))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("size: 32", "size: 1000000", "datasets.spinning-digits.size (scale paper): found 1000000"),
        ("frames: 16", f"frames: {'9' * 23}", "datasets.spinning-digits.frames (scale paper): found 999"),
        (
            "frames: 16\n    size: 32",
            "frames: 160\n    size: 10000",
            "runs.drift-plain (scale paper): found a batch of 64 clips",
        ),
        ("epochs: 50", "epochs: 100001", "protocols.drift.epochs (scale paper): found 100001"),
        ("batch_size: 64", "batch_size: 65537", "protocols.drift.batch_size"),
        ("[16, 32, 32, 32]", "[16, 32, 32, 65537]", "models.plain-net.widths.3"),
        ("[7, 7, 7]", "[101, 7, 7]", "models.deep-net.options.stem_kernel.0"),
        ("[7, 7, 7]", "[7, 6, 7]", "stem_kernel must be odd"),
        ("weight_decay: 0.0005", "weight_decay: true", "protocols.drift.weight_decay"),
        ("short_side: 128", "short_side: 10001", "datasets.streets.short_side"),
        ("test_clips: 10", "test_clips: 1001", "datasets.streets.test_clips"),
        ("loaders: {paper: 4", "loaders: {paper: 65", "device.loaders"),
        ("threads: {paper: 8", "threads: {paper: 1025", "device.threads"),
        ("width: 64", "width: 65537", "backbones.tuned-resnet50.width"),
        ("units: 128", "units: 65537", "models.gated-net.units"),
        ("every: 10", "every: 10001", "backbones.tuned-resnet50.stills.every"),
    ],
)
def test_what_no_machine_has_is_refused_when_params_are_read(old: str, new: str, words: str) -> None:
    message = refusal(registry_of, edited(old, new))
    assert message.startswith(("params.yaml: device.", "documents/"))
    assert words in message and "expected" in message


def test_a_set_that_no_disk_holds_is_refused_at_the_scale_that_draws_it() -> None:
    files = edited("{groups: 25, clips_per_group: 3", "{groups: 1000000, clips_per_group: 1000000", QUICK)
    message = refusal(registry_of, files)
    assert message.startswith(f"{QUICK}: datasets.ucf101 (scale quick): found ") and "at least 121.5 PiB" in message


@pytest.mark.parametrize("scale", SCALES)
def test_the_estimate_of_the_projects_own_runs_is_below_what_they_take(scale: str) -> None:
    """A lower bound: the largest batch of the published scale, 64 clips of 16 x 112 x 112 in 64 maps, is 1.6 GiB."""
    registry = load(PROJECT, scale)  # type: ignore[arg-type]
    needs = []
    for name, one in registry.params.runs.items():
        dataset = registry.params.datasets[one.dataset]
        needs.append(training(registry.train_spec(name, 0), dataset).bytes)  # type: ignore[arg-type]
    assert {"paper": 1.5 * 2**30, "quick": 2**20, "smoke": 2**17}[scale] < max(needs) < 2**31


def test_a_training_that_this_machine_cannot_hold_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = registry_of(FILES, "quick")
    spec = registry.train_spec("drift-plain", 0)
    refuse_beyond(spec, registry.params, tmp_path)
    monkeypatch.setattr("reeltrace.registry.sizes.limit", lambda: (2**20, "ulimit -v"))
    with pytest.raises(UserError, match=r"train/drift-plain-s0: a batch of 20 clips .* into 1 MiB \(ulimit -v\)"):
        refuse_beyond(spec, registry.params, tmp_path)


def test_a_dataset_that_does_not_fit_on_the_disk_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    files = changed(datasets={"spinning-digits": {"videos": {"train": 1000000}, "size": 10000}})
    registry = registry_of(files, "quick")
    with pytest.raises(
        UserError, match=r"1000330 videos of 7 frames of 10000 x 10000 pixels, at least 636.9 TiB, do not"
    ):
        refuse_beyond(registry.data_spec("spinning-digits"), registry.params, tmp_path)


GROUP = "sys/fs/cgroup"
# In a unit of systemd, the group around which is the stricter one; and version 1, in a container.
NESTED = {
    "2": {
        "proc/self/cgroup": "0::/user.slice/app.scope\n",
        f"{GROUP}/user.slice/app.scope/memory.max": "max\n",
        f"{GROUP}/user.slice/app.scope/memory.current": "10\n",
        f"{GROUP}/user.slice/memory.max": "5000\n",
        f"{GROUP}/user.slice/memory.current": "1000\n",
        f"{GROUP}/user.slice/memory.stat": "anon 800\nfile 150\n",
    },
    "1": {
        "proc/self/cgroup": "5:memory:/docker/0123\n0::/\n",
        f"{GROUP}/memory/memory.limit_in_bytes": "5000\n",
        f"{GROUP}/memory/memory.usage_in_bytes": "1000\n",
        f"{GROUP}/memory/memory.stat": "cache 50\nrss 800\ntotal_cache 150\n",
    },
}
MEMINFO = {"proc/meminfo": "MemTotal: 9 kB\nMemFree: 3 kB\nMemAvailable:   8 kB\nSwapTotal:  1 kB\nSwapFree:  1 kB\n"}


def machine(root: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root folder with these files, whose /proc psutil reads."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(root / "proc"))
    return system(root, files)


@pytest.mark.filterwarnings("error")
def test_without_control_groups_memory_is_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with few of the figures, as some containers have it, is no reason for a warning."""
    machine(tmp_path, {}, monkeypatch)
    assert available_memory(tmp_path) is None
    machine(tmp_path, {"proc/meminfo": "rubbish\n"}, monkeypatch)
    assert available_memory(tmp_path) is None
    machine(tmp_path, MEMINFO, monkeypatch)
    assert available_memory(tmp_path) == 8 * 1024
    assert limit(tmp_path) == (10 * 1024, "this machine's memory")


@pytest.mark.parametrize("version", NESTED)
def test_memory_is_the_least_of_what_machine_and_groups_leave(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, {**MEMINFO, **NESTED[version]}, monkeypatch)
    assert limit(root) == (5000, "its control group")
    assert available_memory(root) == 4150


def test_the_peak_of_a_process_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not that of the process that started it: this one holds 200 MB more than the other takes."""
    held = bytearray(b"x" * (200 * 2**20))
    assert process_memory.resident() > len(held)
    assert process_memory.peak() >= process_memory.resident() - 2**20  # the kernel counts pages in batches
    code = "from reeltrace.machine import process_memory; held = b'x' * 2**25; print(process_memory.peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**25 < int(done.stdout) < len(held)
    monkeypatch.setattr(process_memory, "STATUS", tmp_path / "none")
    assert process_memory.peak() > len(held)


KEEPING = """
import resource, sys
import numpy as np
from reeltrace.machine.process_memory import keep_what_is_freed

if sys.argv[1] == "keep":
    assert keep_what_is_freed()
for turn in range(20):
    if turn == 2:  # then the process has all that it needs
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first, second = np.ones(2**22), np.ones(2**23)  # 32 and 64 MiB
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by glibc alone")
def test_a_process_that_keeps_its_memory_asks_the_system_for_none() -> None:
    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", KEEPING, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < faults("as it is") / 10


def test_where_nobody_keeps_memory_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory.ctypes, "CDLL", lambda _: object())
    assert not process_memory.keep_what_is_freed()


def test_sizes_are_shown_for_people() -> None:
    assert [shown(n) for n in (0, 1023, 1024, 3 * 2**30, 2.5 * 2**50)] == [
        "0 bytes",
        "1023 bytes",
        "1 KiB",
        "3 GiB",
        "2.5 PiB",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the peak anew when it is told to")
def test_the_peak_counts_from_where_it_is_told_to() -> None:
    code = """
from reeltrace.machine import process_memory
held = b"x" * 2**28
before = process_memory.peak()
del held
process_memory.count_anew()
print(before - process_memory.peak())
"""
    done = run_in(PROJECT, sys.executable, "-c", code)
    assert int(done.stdout) > 2**27
