"""Which files a stage loads, found in the source text by what imports what, and digests of files."""

import ast
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import grimp
from grimp import ImportGraph
from grimp.exceptions import SourceSyntaxError

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.kinds.brought import module_file
from reeltrace.kinds.unit import UNITS, Unit
from reeltrace.pipeline.graph import PACKAGE, check_readable, files_sha256
from reeltrace.pipeline.unbroken import unbroken


def code_of(
    module: str,
    root: Path = Path(),
    graph: ImportGraph | None = None,
    named: tuple[str, ...] = (),
    own: Path | None = None,
) -> tuple[Path, ...]:
    """The files of this package that `module` loads, directly or through others, itself included.

    Taken from the source text (`graph`, or what `imports` finds now), so that asking is quick and imports nothing. What
    a function imports when it is called counts, what only type checkers see does not. The packages around a module are
    loaded with it; only the outermost, which holds the version and nothing else, does not count. A YAML file that bears
    a module's name holds what the module declares, and counts with it. `named` are modules that the stage loads by
    their names, of this package or of a document, `own` is one outside the package that it calls. A transcription may
    use any unit: what loads their point loads all of ours.

    Raises `UserError` where the file of such a module is missing.
    """
    graph = imports(root) if graph is None else graph
    outside = {path for name in (module, *named) if (path := module_file(name)) is not None} | ({own} if own else set())
    inside = [name for name in (module, *named) if module_file(name) is None]
    for each in inside:
        if each not in graph.modules:
            raise UserError(f"{_file_of(each, root)}: missing; restore it with `git checkout {PACKAGE}`")
    beside, imported = of_documents(outside, root)
    loaded: set[str] = set()
    waiting = [*inside, *(imported & graph.modules)]
    while waiting:
        name = waiting.pop()
        if name != PACKAGE.name and name not in loaded:
            loaded.add(name)
            waiting += [name.rpartition(".")[0], *graph.find_modules_directly_imported_by(name)]
            waiting += graph.find_children(UNITS.package) if name == Unit.__module__ else ()
    files = {_file_of(name, root) for name in loaded}
    declared = {path.with_suffix(".yaml") for path in files}
    return tuple(sorted(files | beside | {path for path in declared if (root / path).is_file()}))


def of_documents(paths: Iterable[Path], root: Path) -> tuple[set[Path], set[str]]:
    """Modules of documents, by their files, with those that they import: all these files, and all names imported.

    Raises `UserError` where one is missing or not Python.
    """
    files: set[Path] = set()
    names: set[str] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            found = imported_by(path, root)
            names |= found
            waiting += [other for name in found for other in _files_behind(name) if (root / other).is_file()]
    return files, names


def _files_behind(name: str) -> Iterator[Path]:
    """The files of documents that an import of `name` runs, as far as they are there: modules, and packages around."""
    parts = name.split(".")
    if parts[0] == DOCUMENTS.name:
        for end in range(3, len(parts) + 1):
            yield Path(*parts[:end]).with_suffix(".py")
            yield Path(*parts[:end], "__init__.py")


def imported_by(path: Path, root: Path) -> set[str]:
    """What a file outside this package imports, wherever in it. Raises `UserError` where it is not Python."""
    try:
        tree = ast.parse((root / path).read_bytes(), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: missing; restore it with `git checkout {path}`") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}:{getattr(error, 'lineno', 1)}: not valid Python; correct it") from None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            around = path.parent.parts[: len(path.parent.parts) + 1 - node.level] if node.level else ()
            module = ".".join((*around, *([node.module] if node.module else ())))
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def imports(root: Path = Path()) -> ImportGraph:
    """Which module of the package below `root` imports which. Raises `UserError` for one that is not Python."""
    with unbroken(), _found_below(root):
        try:
            return grimp.build_graph(PACKAGE.name, exclude_type_checking_imports=True, cache_dir=None)
        except SourceSyntaxError as error:
            where = os.path.relpath(Path(error.filename).resolve(), root.resolve())
            raise UserError(f"{where}:{error.lineno}: not valid Python; correct it") from None
        except UnicodeError as error:
            raise UserError(f"{PACKAGE}: {error}; correct it") from None
        except OSError as error:  # which grimp puts into words of its own
            for path in sorted((root / PACKAGE).rglob("*.py")):
                check_readable(path.relative_to(root), root)
            raise UserError(f"{PACKAGE}: {' '.join(str(error).split())}; correct that") from None


@contextlib.contextmanager
def _found_below(root: Path) -> Iterator[None]:
    """Let importlib, which grimp asks, find the package below `root`, whichever copy of it this process runs.

    Its path is relative: in an ASCII locale grimp cannot read the name of a folder around it that has other letters.
    """
    running = sys.modules[PACKAGE.name]
    asked = ModuleType(PACKAGE.name)
    asked.__spec__ = ModuleSpec(PACKAGE.name, None, is_package=True)
    asked.__spec__.submodule_search_locations = [os.path.relpath(root / PACKAGE)]
    sys.modules[PACKAGE.name] = asked
    try:
        yield
    finally:
        sys.modules[PACKAGE.name] = running


def _file_of(module: str, root: Path) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py")


def package_sha256(root: Path = Path()) -> str:
    """One hash over all files of this package, whether a stage imports them or not."""
    paths = (path.relative_to(root) for path in (root / PACKAGE).rglob("*") if path.is_file())
    return files_sha256(sorted(path for path in paths if "__pycache__" not in path.parts), root, "the package")
