"""The bench: a copy of a project whose files are damaged and put back, each with its own time and inode."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Self

PARTS = ("params.yaml", "Snakefile", "dvc.yaml", "environment.yml", "requirements.lock", "pyproject.toml")
TREES = ("documents", "reports", "src/reeltrace", "workflow")
STASH = ".stash"


def lay(checkout: Path, scale: str, folder: Path) -> Path:
    """A copy of a checkout and of its results at one scale, with `scale` in its params.yaml. Nothing is linked."""
    folder.mkdir(parents=True)
    for part in PARTS:
        if (checkout / part).is_file():
            shutil.copy2(checkout / part, folder / part)
    for tree in (*TREES, f"results/{scale}"):
        leave = shutil.ignore_patterns("__pycache__", ".*", "logs")
        shutil.copytree(checkout / tree, folder / tree, ignore=leave, symlinks=True)
    params = folder / "params.yaml"
    lines = params.read_text(encoding="utf-8").splitlines(keepends=True)
    params.write_text("".join(f"scale: {scale}\n" if line.startswith("scale:") else line for line in lines))
    return folder


class Bench:
    """Changes below `root`, all of which `undo` takes back: what stood there before is kept aside, never rewritten."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stash = root / STASH
        self._stash.mkdir(exist_ok=True)
        self._numbers = itertools.count()
        self._undo: list[Callable[[], object]] = []

    def write(self, path: Path, content: bytes) -> None:
        """Another content in place of a file, or a new file."""
        self.remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def put(self, path: Path, make: Callable[[Path], object]) -> None:
        """Something else in place of a file: a folder, a link, a pipe."""
        self.remove(path)
        make(path)

    def remove(self, path: Path) -> None:
        """Take away a file or folder, if there is one."""
        aside = self._stash / str(next(self._numbers))
        if os.path.lexists(path):
            path.rename(aside)
            self._undo.append(lambda: aside.rename(path))
        self._undo.append(lambda: _clear(path))

    def rename(self, path: Path, to: Path) -> None:
        """Give a file or folder another name, which nothing has."""
        path.rename(to)
        self._undo.append(lambda: to.rename(path))

    def undo(self) -> None:
        """Take back everything, last first."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
