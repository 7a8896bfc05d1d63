"""The Python module of a document: code that no other document shares, in the document's own folder."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.registry.header import HEADER, read_header


def module_path(document: str, root: Path = Path()) -> Path:
    """Where the module of a document lies, relative to `root`. Raises `UserError` for a document that names none."""
    name = read_header(document, root).module
    if name is None:
        raise UserError(f"{DOCUMENTS / document / HEADER}: module: missing; name the Python file that has its facts()")
    return DOCUMENTS / document / name


def load_module(document: str, root: Path = Path()) -> ModuleType:
    """The module of a document, imported. Raises `UserError` where it is missing or not Python."""
    path = module_path(document, root)
    open_package(DOCUMENTS, root)
    open_package(path.parent, root)  # so that it may import what lies beside it
    name = f"{DOCUMENTS.name}.{document}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, (root / path).resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses expect
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError:
        raise UserError(f"{path}: missing; restore it with `git checkout {path}`") from None
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: not valid Python; correct it") from None
    except (ImportError, NameError, AttributeError) as error:
        raise UserError(f"{path}: cannot be loaded ({type(error).__name__}: {error}); correct it") from None
    return module


def open_package(folder: Path, root: Path) -> None:
    """Let modules of a folder be imported by their names, from this project."""
    name, path = ".".join(folder.parts), [str((root / folder).resolve())]
    package = sys.modules.get(name)
    if package is None or list(package.__path__) != path:
        for other in [other for other in sys.modules if other.startswith(f"{name}.")]:
            del sys.modules[other]
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = path
        importlib.invalidate_caches()
