"""A share of the bulk: files and folders of artifacts over a size, of which only the size is compared otherwise."""

from collections.abc import Iterable
from pathlib import Path

from reeltrace.artifacts.files import reason_of
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.artifacts.protocol import file_entry, tree_entry
from reeltrace.errors import CheckFailed, Problem
from reeltrace.verify.problems import TAMPERED
from reeltrace.verify.shares import Share


def check_share(folders: Iterable[Path], share: Share, least: int) -> list[Problem]:
    """Hash a share of all outputs of more than `least` bytes, and compare them with the manifests.

    What a manifest is when it cannot be read, and outputs that are missing or of another size, others say.
    """
    problems = []
    large = [bulky for folder in folders for bulky in _bulky(folder, least)]
    for place, name, sha256 in share.draw(large):
        path = place / name
        try:
            found = tree_entry(path) if name.endswith("/") else file_entry(path)
        except OSError as error:
            problems.append(
                Problem("broken chain", str(error.filename or path), f"cannot be read ({reason_of(error)})")
            )
            continue
        if found["sha256"] != sha256:
            problems.append(Problem(TAMPERED, str(path), f"its sha256 is not {sha256[:12]}..."))
    return problems


def _bulky(folder: Path, least: int) -> list[tuple[Path, str, str]]:
    try:
        outputs = read_json(folder / MANIFEST)["outputs"].items()
        large = [(folder, str(name), str(entry["sha256"])) for name, entry in outputs if entry["bytes"] > least]
    except (CheckFailed, KeyError, TypeError, AttributeError):
        return []
    return [each for each in large if each[0].joinpath(each[1]).is_dir() or each[0].joinpath(each[1]).is_file()]
