"""The declared sources of `declared.yaml`, checked when they are read."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from reeltrace.data.downloads import Source
from reeltrace.errors import UserError
from reeltrace.registry.strict_yaml import Loader, SurprisingError, TwiceError, complaint

DECLARED = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class NpmPackage:
    """A package that the npm client brings from whichever registry it is configured for.

    `integrity` is npm's own field `dist.integrity`: "sha512-" and the base64 of the tarball's SHA-512.
    """

    name: str
    version: str
    integrity: str
    bytes: int
    licence: str
    citation: str

    @property
    def tarball(self) -> str:
        """The name that `npm pack` gives the file."""
        return f"{self.name}-{self.version}.tgz"


def read(path: Path = DECLARED) -> dict[str, Source | NpmPackage]:
    """Every declared source by its key. Raises UserError naming the file, the key and what is wrong with it."""
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - a safe loader
    except TwiceError as error:
        assert error.problem_mark is not None
        raise UserError(f"{path.name}: line {error.problem_mark.line + 1}: {error.problem}; keep one of them") from None
    except SurprisingError as error:
        raise UserError(f"{path.name}: {complaint(error)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path.name}: not readable ({' '.join(str(error).split())[:200]}); restore it") from None
    if not isinstance(entries, dict):
        raise UserError(f"{path.name}: found no entries; expected keys such as ucf101-videos")
    return {str(key): _entry(path, str(key), entry) for key, entry in entries.items()}


def _entry(path: Path, key: str, entry: Any) -> Source | NpmPackage:
    where = f"{path.name}: {key}"
    if not isinstance(entry, dict):
        raise UserError(f"{where}: found {entry!r}; expected name, urls, sha256, bytes, licence, citation")
    given = dict(entry)
    kind: type[Source] | type[NpmPackage] = Source
    if "npm" in given:
        kind, given["name"] = NpmPackage, given.pop("npm")
    wanted = {field.name for field in fields(kind)}
    if given.keys() != wanted:
        odd = sorted(given.keys() ^ wanted, key=str)[0]
        raise UserError(f"{where}: {odd}: {'unknown key; remove it' if odd in given else 'missing; add it'}")
    size, urls = given["bytes"], given.get("urls")
    if not (size is None and kind is Source) and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise UserError(f"{where}: bytes: found {size!r}; expected a number of bytes{', or null' if urls else ''}")
    if kind is Source:
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            raise UserError(f"{where}: urls: found {urls!r}; expected a list of addresses")
        given["urls"] = tuple(urls)
    for name in wanted - {"bytes", "urls"}:
        if not isinstance(given[name], str):
            raise UserError(f"{where}: {name}: found {given[name]!r}; expected text")
    try:
        return kind(**given)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def source(key: str) -> Source:
    """The declared source `key`. Raises UserError when it is not there."""
    found = read().get(key)
    if not isinstance(found, Source):
        raise UserError(f"{DECLARED.name}: {key}: missing; add it")
    return found


def _package(key: str) -> NpmPackage:
    found = read().get(key)
    if not isinstance(found, NpmPackage):
        raise UserError(f"{DECLARED.name}: {key}: missing; add it")
    return found


MNIST_IMAGES = source("mnist-images")
MNIST_LABELS = source("mnist-labels")
MNIST_PACKAGE = _package("mnist-package")
