"""The kinds that documents bring: light files in their folders, taken in when the registry is composed.

The module of such a file is `documents.<key>.<file>`, and so are those beside it that it names.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import reeltrace.kinds.unit  # noqa: F401 - the one point that no entry of an experiment speaks of
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.kinds.document_code import open_package
from reeltrace.kinds.points import Point


def bring(files: Mapping[str, str], root: Path) -> None:
    """Take in what the Python files among `files` declare, by their paths from `root`, and forget other documents'.

    Raises `UserError`, with the file, where one is not Python, cannot be loaded, or declares no kind.
    """
    texts = {path: text for path, text in files.items() if path.endswith(".py")}
    for point in Point.every:
        point.forget()
    if texts:
        open_package(DOCUMENTS, root)
    for path, text in texts.items():
        open_package(Path(path).parent, root)
        module = _loaded(path, text, root.resolve())
        sys.modules[module.__name__] = module  # also where it was loaded before, and another project since
        if not isinstance(getattr(module, "KINDS", ()), tuple | list):
            raise UserError(f"{path}: KINDS is no tuple; write KINDS = (ONE, ANOTHER)")
        if not sum(point.bring(module, path) for point in Point.every):
            raise UserError(f"{path}: declares no KIND (or KINDS); add one, or take it out of kinds in document.yaml")


def module_name(path: Path) -> str:
    """ "documents.smith2020.nets" for documents/smith2020/nets.py."""
    return ".".join(path.with_suffix("").parts)


def module_file(name: str) -> Path | None:
    """The file of such a module, from the project's root; None for a module of another package."""
    return Path(*name.split(".")).with_suffix(".py") if name.startswith(f"{DOCUMENTS}.") else None


@lru_cache(maxsize=64)
def _loaded(path: str, text: str, root: Path) -> ModuleType:
    module = ModuleType(module_name(Path(path)))
    module.__file__, module.__package__ = str(root / path), module.__name__.rpartition(".")[0]
    sys.modules[module.__name__] = module  # as pydantic and dataclasses expect
    light = "torch" not in sys.modules
    try:
        exec(compile(text, module.__file__, "exec"), module.__dict__)  # noqa: S102 - the project's own code
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: not valid Python; correct it") from None
    except Exception as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be loaded ({type(error).__name__}: {said}); correct it") from None
    if light and "torch" in sys.modules:
        raise UserError(f"{path}: imports torch, and every command reads it; import torch in the modules that it names")
    return module
