"""The engines and the leaf, started in the ways and places that people start them, on the artifact `data/digits`."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from conftest import edit, environment, git, make_workspace, run_in
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.protocol import check_outputs
from reeltrace.pipeline.engines import write_dvc
from reeltrace.pipeline.plan import load_plan

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent
DIGITS = "results/smoke/data/digits"
MANIFEST = f"{DIGITS}/manifest.json"


def bare(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of `env -i HOME=... PATH=/usr/bin:/bin`; DVC's own folders stay in the workspace."""
    dvc = {name: value for name, value in environment(folder).items() if name.startswith("DVC_")}
    return {"HOME": str(folder.parent), "PATH": "/usr/bin:/bin", **dvc, "NO_COLOR": "1", **variables}


def call(folder: Path, *command: str | Path, env: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=env, capture_output=True, timeout=300, check=False
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == code, said
    return said


def committed(folder: Path) -> Path:
    """A workspace as a clone has it: in git, with its dvc.yaml."""
    write_dvc(load_plan(folder))
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    return folder


def assert_made(folder: Path) -> None:
    assert check_outputs(folder / DIGITS) == []


@pytest.fixture
def only_the_packages(tmp_path: Path) -> Path:
    """A virtual environment that has what the project depends on, and not the project."""
    target = tmp_path / "packages only"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)
    site = Path(
        sysconfig.get_path("purelib", "venv", vars={"base": str(target), "platbase": str(target)})
    )  # of the new one
    (site / "packages.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )  # its .pth files are not read: no reeltrace
    python = target / "bin/python"
    found = subprocess.run(
        [python, "-c", "import yaml, reeltrace"], env={}, capture_output=True, text=True, check=False
    )
    assert "No module named 'reeltrace'" in found.stderr
    return python


# --- by its path ---


def test_snakemake_by_its_path_with_a_bare_environment(workspace: Path) -> None:
    committed(workspace)
    said = call(workspace, BIN / "snakemake", "--cores", "all", MANIFEST, env=bare(workspace))
    assert "Provided resources: mem_mb=" in said
    assert_made(workspace)
    assert "data-digits" in (workspace / "dvc.lock").read_text()  # recorded, too


def test_jobs_of_snakemake_are_forks_of_the_process_that_has_imported_torch(invented: Path) -> None:
    """The launcher gives a job the interpreter and the environment that this process was started with."""
    committed(invented)
    parent = "import os, pathlib\nprint(pathlib.Path(f'/proc/{os.getppid()}/cmdline').read_text())\n"
    edit(invented / "src/reeltrace/measure/structure_stage.py", "\nimport torch\n", f"\nimport torch\n{parent}")
    target = "results/smoke/measure/nobody2024-structure/manifest.json"
    env = bare(invented, PYTHONPATH="/somewhere/else")
    call(invented, BIN / "snakemake", "--cores", "1", target, env=env)
    assert "reeltrace.pipeline.warm" in (invented / "results/smoke/logs/measure-nobody2024-structure.log").read_text()


def test_dvc_by_its_path_with_a_bare_environment(workspace: Path) -> None:
    committed(workspace)
    said = call(workspace, BIN / "dvc", "repro", "data-digits", env=bare(workspace))
    assert "> sh workflow/reeltrace run data digits" in said
    assert_made(workspace)


def test_the_leaf_says_what_is_missing_where_no_python_has_the_packages(workspace: Path) -> None:
    said = call(workspace, "sh", "workflow/reeltrace", "run", "data", "digits", env=bare(workspace), code=2)
    assert len(said.splitlines()) == 1
    assert "REELTRACE_PYTHON=" in said


DIGITS_STAGE = "src/reeltrace/data/digits.py"


def test_a_leaf_that_is_killed_says_so_and_what_to_do(workspace: Path) -> None:
    edit(workspace / DIGITS_STAGE, '"""', 'import os\nos.kill(os.getpid(), 9)\n"""')
    env = bare(workspace, REELTRACE_PYTHON=sys.executable)
    said = call(workspace, "sh", "workflow/reeltrace", "run", "data", "digits", env=env, code=137)
    (line,) = (line for line in said.splitlines() if line.startswith("reeltrace: "))
    assert line.startswith("reeltrace: run data digits: killed (signal 9)")
    assert "--resources mem_mb=" in line
    said = call(workspace, BIN / "snakemake", "--cores", "1", MANIFEST, env=env, code=1)
    assert line in said  # with the log


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_leaf_ends_with_its_launcher(workspace: Path, tmp_path: Path, end: signal.Signals) -> None:
    edit(workspace / DIGITS_STAGE, '"""', 'import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"""')
    with subprocess.Popen(
        ["sh", "workflow/reeltrace", "run", "data", "digits"],
        cwd=workspace,
        env=bare(workspace, REELTRACE_PYTHON=sys.executable),
        stdout=subprocess.PIPE,
        text=True,
    ) as launcher:
        assert launcher.stdout is not None
        leaf = Path("/proc", launcher.stdout.readline().strip())
        assert leaf.exists()
        launcher.send_signal(end)
        launcher.stdout.read()  # until the leaf has closed it
    deadline = time.monotonic() + 20
    while is_running(leaf) and time.monotonic() < deadline:  # its output is closed before it has ended
        time.sleep(0.05)
    assert not is_running(leaf)


def is_running(process: Path) -> bool:
    """Whether a process, by its folder in /proc, has not ended."""
    try:
        return "Z (zombie)" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("named", ["REELTRACE_PYTHON", "PATH", ".venv"])
def test_the_leaf_needs_no_installed_copy_of_this_package(workspace: Path, only_the_packages: Path, named: str) -> None:
    """As in an environment that conda made from environment.yml; and it runs the code that lies here."""
    env = bare(workspace)
    if named == "PATH":
        env["PATH"] = f"{only_the_packages.parent}:{env['PATH']}"
    elif named == "REELTRACE_PYTHON":
        env[named] = str(only_the_packages)
    else:
        (workspace / ".venv").symlink_to(only_the_packages.parents[1])
    edit(workspace / "src/reeltrace/data/digits.py", '"""', 'import sys\nprint("with", sys.executable)\n"""')
    said = call(workspace, "sh", "workflow/reeltrace", "run", "data", "digits", env=env)
    expected = workspace / ".venv/bin" if named == ".venv" else only_the_packages.parent
    assert said.splitlines()[0] in (f"with {expected}/python", f"with {expected}/python3")
    assert_made(workspace)


def test_conda_environments_that_snakemake_makes(workspace: Path, only_the_packages: Path) -> None:
    """With a stand-in for conda, whose environments have the packages that environment.yml names and nothing else."""
    committed(workspace)
    conda = workspace.parent / "conda/bin"
    conda.mkdir(parents=True)
    info = {"conda_prefix": str(conda.parent), "platform": "linux-64"}
    (conda / "conda").write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"'info --json') echo '{json.dumps(info)}' ;;\n"
        "--version) echo conda 26.9.0 ;;\n"
        '\'config --get channel_priority --json\') echo \'{"get": {"channel_priority": "strict"}}\' ;;\n'
        "'env create '*)\n"
        '    while [ "$1" != --prefix ]; do shift; done\n'
        '    mkdir -p "$2/conda-meta" && cp -r \'' + str(only_the_packages.parents[1]) + '/.\' "$2" ;;\n'
        "esac\n"
    )
    (conda / "activate").write_text('export PATH="$1/bin:$PATH" CONDA_PREFIX="$1"\n')
    (conda / "conda").chmod(0o755)
    edit(workspace / "src/reeltrace/data/digits.py", '"""', 'import sys\nprint("with", sys.executable)\n"""')
    env = bare(workspace, PATH=f"{conda}:/usr/bin:/bin")
    call(workspace, BIN / "snakemake", "--cores", "1", "--sdm", "conda", "--", MANIFEST, env=env)
    log = (workspace / "results/smoke/logs/data-digits.log").read_text()
    assert log.startswith(f"with {workspace}/.snakemake/conda/")
    assert_made(workspace)


# --- from another folder ---


def test_another_working_folder_is_refused_before_any_work(workspace: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    said = call(
        workspace, BIN / "snakemake", "--cores", "1", "--directory", elsewhere, MANIFEST, env=bare(workspace), code=1
    )
    assert f"{elsewhere}: not the folder of this workflow" in said
    assert f"--directory {workspace}" in said
    assert "Traceback" not in said
    assert {path.name for path in elsewhere.iterdir()} <= {".snakemake"}


MODULE = """
module reeltrace:
    snakefile: "{project}/Snakefile"

use rule * from reeltrace as reeltrace_*
"""


def test_as_a_module_it_works_in_its_own_folder_and_is_refused_elsewhere(workspace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "Snakefile").write_text(MODULE.format(project=workspace))
    (other / "params.yaml").write_text("theirs: true\n")
    snakemake = (BIN / "snakemake", "--cores", "1")
    said = call(other, *snakemake, MANIFEST, env=bare(workspace), code=1)
    assert f"{other}: not the folder of this workflow" in said
    assert "Traceback" not in said
    assert not (other / "results").exists()
    call(other, *snakemake, "--directory", workspace, "--", MANIFEST, env=bare(workspace))
    assert_made(workspace)


# --- on small machines ---


def test_the_control_group_bounds_the_jobs(tmp_path: Path) -> None:
    """What `--cores all` counts is not what a container may use; what is asked for explicitly is what is taken."""
    workspace = make_workspace(tmp_path / "project", "paper")  # where decoding takes all processors
    group = tmp_path / "system/sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("250000000\n")
    (group / "cpu.max").write_text("150000 100000\n")
    module = workspace / "src/reeltrace/machine/control_groups.py"
    edit(module, 'SYSTEM = Path("/")', f"SYSTEM = Path({str(tmp_path / 'system')!r})")
    frames = "results/paper/frames/ucf101/manifest.json"

    def planned(*arguments: str) -> tuple[set[str], set[str]]:
        said = call(workspace, BIN / "snakemake", "-n", *arguments, "--", frames, env=bare(workspace))
        lines = [line.strip() for line in said.splitlines()]
        resources = [line.split(", ") for line in lines if line.startswith("resources:")]
        memory = {word.partition("=")[2] for words in resources for word in words if word.startswith("mem_mb=")}
        return memory, {line for line in lines if line.startswith("threads:")}

    assert planned("--cores", "all") == ({"225"}, set())  # one thread is not mentioned
    memory, threads = planned("--cores", "777", "--resources", "mem_mb=260")
    assert memory == {"260"}
    assert threads == {"threads: 777"}


# --- in folders and locales of all kinds ---


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    return committed(make_workspace(tmp_path / "Доклад für 'uns'"))


def test_a_folder_with_spaces_and_letters(odd_folder: Path) -> None:
    call(odd_folder, BIN / "dvc", "repro", "data-digits", env=bare(odd_folder, LC_ALL="C"))
    assert_made(odd_folder)


def test_a_folder_with_spaces_and_letters_in_an_ascii_locale(odd_folder: Path) -> None:
    """What is ours reads and writes names all the same; DVC refuses such a folder, before any work."""
    env = bare(odd_folder, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    said = call(odd_folder, BIN / "dvc", "repro", "data-digits", env=env, code=255)
    assert len(said.splitlines()) == 1
    assert not (odd_folder / "results").exists()
    call(odd_folder, BIN / "snakemake", "--cores", "1", MANIFEST, env=env)
    assert_made(odd_folder)
    assert "data-digits" in (odd_folder / "dvc.lock").read_text()
    status = call(odd_folder, BIN / "reeltrace", "status", "--json", env={**env, "PYTHONPATH": str(odd_folder / "src")})
    assert json.loads(status)["artifacts"]["data/digits"]["state"] == "current"


def test_a_read_only_checkout_with_its_results_on_another_disk(workspace: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (workspace / "results").symlink_to(disk)
    leaf = ("sh", "workflow/reeltrace", "run", "data", "digits")
    env = bare(workspace, REELTRACE_PYTHON=sys.executable)
    if os.geteuid() == 0:  # to whom permissions say nothing
        script = 'mount --bind . "$PWD" && mount -o remount,ro,bind "$PWD" && cd "$PWD" && ! touch x && exec "$@"'
        call(workspace, "unshare", "-m", "sh", "-c", script, "sh", *leaf, env=env)
    else:
        subprocess.run(["chmod", "-R", "a-w", workspace], check=True)
        try:
            call(workspace, *leaf, env=env)
        finally:
            subprocess.run(["chmod", "-R", "u+w", workspace], check=True)
    assert check_outputs(disk / "smoke/data/digits") == []


def test_a_clone_that_translates_line_ends_has_the_same_bytes(workspace: Path, tmp_path: Path) -> None:
    committed(workspace)
    run_in(workspace, "reeltrace", "run", "data", "digits")
    clone = tmp_path / "clone"
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "-q", str(workspace), str(clone))
    git(clone, "config", "core.autocrlf", "true")
    run_in(clone, "reeltrace", "run", "data", "digits")
    assert (clone / MANIFEST).read_bytes() == (workspace / MANIFEST).read_bytes()  # of its code, too
    assert read_json(clone / DIGITS / "receipt.json")["git"]["dirty"] is False
