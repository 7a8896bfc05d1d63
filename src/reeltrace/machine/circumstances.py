"""What a receipt says of where something was made: the machine, the packages, the commit."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from reeltrace.machine import processor

PACKAGES = (
    "av",
    "dvc",
    "jinja2",
    "numpy",
    "scikit-learn",
    "snakemake",
    "torch",
    "torchvision",
)


def host() -> dict[str, Any]:
    """The machine and its processor."""
    return {
        "name": platform.node(),
        "platform": platform.platform(),
        "processor": processor.name(),
        "cpus": os.cpu_count(),
        "features": processor.features(),
        "limits": processor.limits(),
    }


def packages() -> dict[str, str]:
    """The versions of the packages that decide over results, as far as they are installed."""
    return {name: version for name in PACKAGES if (version := _version(name))}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git(root: Path) -> dict[str, Any]:
    """Commit, and whether tracked files differ from it (dvc.lock, which a run rewrites, does not count); or why not.

    A clone of another user's (in a container, on a shared disk) is read too: who runs the code in it already trusts it.
    A repository around the project that does not hold it says nothing of its code.
    """
    elsewhere = (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
    )
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    command = ("git", "--no-optional-locks", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")

    def ask(*arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=30,
        )
        return done.stdout.strip()

    try:
        commit = ask("rev-parse", "--verify", "HEAD")
        if not ask("ls-files", "--", "Snakefile"):
            return {"commit": None, "dirty": None, "why": "the git repository here does not hold this project"}
        dirty = ask("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines() or [f"git ended with {error.returncode}"]
        return {"commit": None, "dirty": None, "why": said[0].removeprefix("fatal: ")}
    except FileNotFoundError:
        return {"commit": None, "dirty": None, "why": "git is not installed"}
    except (OSError, subprocess.SubprocessError) as error:
        return {"commit": None, "dirty": None, "why": str(error)}
    return {"commit": commit, "dirty": bool(dirty)}
