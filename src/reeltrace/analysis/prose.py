"""`documents/<key>/prose.yaml` -> the numbers that a document's sentences state, each with its unit and its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from reeltrace.analysis.published import UnitName, parse, read_yaml
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.kinds.unit import Value

FILE = "prose.yaml"


class ProseValue(BaseModel):
    """One number of the prose.

    `note` says what is said around it ("almost") or what it is of. `test` names the test set of which it is a share, by
    its name in `tests` of the document's tables. `after` and `before` are words of the text to which it is the next of
    the values, see `spans`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    printed: str
    unit: UnitName
    place: str
    note: str | None = None
    test: str | None = None
    after: str | None = None
    before: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.value  # noqa: B018 - raises when the printed string does not parse
        if not self.id or any(mark in self.id for mark in "/{}:"):
            raise ValueError(f"id {self.id!r} must hold none of / {{ }} :")
        return self

    @property
    def value(self) -> Value:
        """The printed string as a value of its unit."""
        return parse(self.printed, self.unit)


class _Prose(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    values: tuple[ProseValue, ...]

    @model_validator(mode="after")
    def _once(self) -> Self:
        ids = [value.id for value in self.values]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"id {name!r} appears twice")
        return self


def load(document: str, root: Path = Path()) -> Mapping[str, ProseValue]:
    """The located values of a document's prose by their ids, in the order of the file; empty where it has no such file.

    Raises `UserError` with the file, the place in it, what was found and what was expected.
    """
    path = DOCUMENTS / document / FILE
    if not (root / path).exists():
        return {}
    return {value.id: value for value in read_yaml(path, _Prose, root, document).values}
