"""Two documents that there are not, with tables of every kind: what the tests of the framework read.

They stand in `tests/invented/documents` as any document in `documents`, beside the project's own `documents/common`.
"""

import shutil
from pathlib import Path

import conftest
from conftest import PROJECT
from reeltrace.registry.documents import COMMON

DOCUMENTS = Path(__file__).parent / "documents"


def lay(root: Path) -> Path:
    """Put the invented documents below `root` in place of the project's own, with what is common to all."""
    shutil.rmtree(root / "documents", ignore_errors=True)
    shutil.copytree(DOCUMENTS, root / "documents")
    shutil.copytree(PROJECT / "documents" / COMMON, root / "documents" / COMMON)
    return root


def make_workspace(folder: Path, scale: str = "smoke") -> Path:
    """A copy of the project with the invented documents, and `scale` in its params.yaml."""
    return lay(conftest.make_workspace(folder, scale))


def _files() -> dict[str, str]:
    common = f"documents/{COMMON}/"
    own = {path: text for path, text in conftest.FILES.items() if path == "params.yaml" or path.startswith(common)}
    folders = sorted(DOCUMENTS.iterdir())
    return own | {
        f"documents/{folder.name}/{name}": (folder / name).read_text(encoding="utf-8")
        for folder in folders
        for name in ("document.yaml", "experiments.yaml", "quick.yaml", "smoke.yaml", "readings.yaml")
        if (folder / name).exists()
    }


FILES = _files()


def edited(old: str, new: str, file: str | None = None) -> dict[str, str]:
    """The files of the invented registry with the first `old` replaced."""
    return conftest.edited(old, new, file, FILES)


def changed(**sections: object) -> dict[str, str]:
    """The files of the invented registry with changes of the user's in params.yaml."""
    return conftest.changed(FILES, **sections)
