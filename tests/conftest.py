"""Fixtures that all tests share: a copy of the project at the smoke scale, and the commands in its environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from reeltrace.errors import UserError
from reeltrace.registry.documents import COMMON, EXPERIMENTS, read

# In CI the same examples each time: what a search of new ones may find belongs to a developer's run.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, the engines and what starts many processes: the others fill the time beside them."""
    items.sort(key=lambda item: 0 if item.path.parent.name == "e2e" else 1 if item.path.name in LONG else 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers a file stays in one of them, for its fixtures; so do the tests of one workspace."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "the reproduced workspace" if file in REPRODUCED else file

    config.option.loadscopereorder = False  # in the order above
    return ByFile(config, log)


PROJECT = Path(__file__).resolve().parents[1]
LONG = ("test_recording.py", "test_conformance.py", "test_browser.py", "test_firefox.py")
REPRODUCED = ("tests/e2e/test_engines.py", "tests/e2e/test_verify.py", "tests/corruption/test_harness.py")
PARTS = (
    "Snakefile",
    "params.yaml",
    "environment.yml",
    "requirements.lock",
    "pyproject.toml",
    "workflow",
    "documents",
    "reports",
    "src/reeltrace",
    ".gitattributes",
    ".gitignore",
    ".dvcignore",
    ".dvc/config",
    ".dvc/.gitignore",
)


def make_workspace(folder: Path, scale: str = "smoke") -> Path:
    """Copy the project's own files (no results) to `folder`, with `scale` in its params.yaml."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in PARTS:
        source, target = PROJECT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy2(source, target)
    (folder / "profiles").symlink_to("workflow/profiles")  # where Snakemake looks for its default profile
    params = folder / "params.yaml"
    text = params.read_text()
    assert "\nscale: quick" in text
    params.write_text(text.replace("\nscale: quick", f"\nscale: {scale}"))
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_key_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is attested in this process is signed by a key of the tests."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
    os.environ.pop("REELTRACE_KEY", None)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A fresh copy of the project at the smoke scale."""
    return make_workspace(tmp_path / "project")


@pytest.fixture
def invented(workspace: Path) -> Path:
    """That copy with the documents of `tests/invented` in place of the project's own."""
    from invented import lay

    return lay(workspace)


def environment(folder: Path) -> dict[str, str]:
    """The environment of commands in a workspace: its own source code, this interpreter's tools."""
    bin_folder = str(Path(sys.executable).parent)
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "SNAKEMAKE_", "GIT_", "MAKE"))},
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(folder / ".dvc" / "tmp" / "global"),
        "DVC_SITE_CACHE_DIR": str(folder / ".dvc" / "tmp" / "site"),
        "XDG_CONFIG_HOME": str(folder / ".dvc" / "tmp" / "config"),  # where the key lies that signs reports
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }


Command = Callable[..., subprocess.CompletedProcess[str]]


def run_in(
    folder: Path, *command: str, code: int | None = 0, timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """Run a command in a workspace and check its exit code (`None`: any)."""
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=timeout, check=False
    )
    if code is not None:
        assert done.returncode == code, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Nets as small as those of tests spend their time in waiting for each other's threads."""
    import torch  # most tests do without

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def command(workspace: Path) -> Command:
    """`command("reeltrace", "status")` in the workspace; `code=` is the exit code it must have."""

    def call(*arguments: str, code: int | None = 0, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        return run_in(workspace, *arguments, code=code, timeout=timeout)

    return call


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def snakemake(folder: Path, *arguments: str) -> str:
    done = run_in(folder, "snakemake", "--cores", "2", *arguments)
    return done.stdout + done.stderr


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    """Replace text in a file; the old text must be there."""
    text = path.read_text()
    assert text.count(old) >= count, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, count))


def system(root: Path, files: dict[str, str]) -> Path:
    """A root folder with these files, as /proc and /sys hold them."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def replaced(text: str, old: str, new: str) -> str:
    """The text with the first `old` replaced; it must be there."""
    assert old in text, old
    return text.replace(old, new, 1)


FILES = read(PROJECT)  # the text of each file of the registry


def edited(old: str, new: str, file: str | None = None, files: Mapping[str, str] = FILES) -> dict[str, str]:
    """The files of a registry with the first `old` replaced: in `file`, or in the first experiments that have it."""
    if file is None:
        found = [path for path in files if path == "params.yaml" or path.endswith(EXPERIMENTS)]
        found.sort(key=lambda path: path.startswith(f"documents/{COMMON}/"))
        file = next((path for path in found if old in files[path]), found[0])
    return {**files, file: replaced(files[file], old, new)}


def changed(files: Mapping[str, str] = FILES, /, **sections: object) -> dict[str, str]:
    """The files of a registry with changes of the user's in params.yaml."""
    return {**files, "params.yaml": files["params.yaml"] + yaml.safe_dump(sections)}


def only(*documents: str) -> dict[str, str]:
    """The files of the registry, of which these documents or tables are asked for."""
    return edited("documents: all", f"documents: [{', '.join(documents)}]", "params.yaml")


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Put the files of a registry below `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def refusal(call: Callable[..., object], *arguments: object) -> str:
    """The one line with which a call refuses what it is given."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def lock_of_others(stages: int = 300) -> str:
    """A dvc.lock of about 2 kB a stage, none of this project; as DVC writes it, with a value that all share."""
    deps = "".join(
        f"    - path: src/part{n}.py\n      hash: md5\n      md5: {'abcdef01' * 4}\n      size: {1000 + n}\n"
        for n in range(23)
    )
    entries = (
        f"  other-{n}:\n    cmd: make {n}\n    deps:\n{deps}    params:\n      params.yaml:\n        seeds: "
        + ("*id001\n" if n else "&id001\n        - 0\n        - 1\n")
        for n in range(stages)
    )
    return "schema: '2.0'\nstages:\n" + "".join(entries)
