"""How kinds are found, by name, and how an entry of an experiment is read by the one that it names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, PlainValidator, ValidationError

from reeltrace.errors import UserError, known_names


@dataclass(frozen=True)
class Kind:
    """What every kind says: the name that an entry gives, and the model of such an entry."""

    name: str
    params: type[BaseModel]


K = TypeVar("K", bound=Kind)


class Point(Generic[K]):
    """A plug-in point: the kinds below one package of ours, and those that documents bring.

    `what` is its name in messages; `tag` the key of an entry that names a kind.
    """

    def __init__(self, what: str, tag: str, package: str, of: type[K]) -> None:
        self.what, self.tag, self.package, self.of = what, tag, package, of
        self._own: dict[str, K] | None = None
        self._brought: dict[str, K] = {}
        self._home: dict[str, str] = {}

    def all(self) -> Mapping[str, K]:
        """Every kind by its name: ours, then those of documents."""
        if self._own is None:
            self._own = {}
            for info in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                home = f"{self.package}.{info.name}"
                for kind in declared(importlib.import_module(home), self.of):
                    self._own[kind.name], self._home[kind.name] = kind, home
        return {**self._own, **self._brought}

    def get(self, name: str) -> K:
        """One kind. Raises `UserError` naming what there is."""
        found = self.all()
        if name not in found:
            raise UserError(f"no {self.what} is named {name!r}; {known_names(name, found)}")
        return found[name]

    def home(self, name: str) -> str:
        """The module that declares a kind, by its name."""
        self.get(name)
        return self._home[name]

    def bring(self, module: ModuleType, place: str) -> None:
        """Take in the kinds that a module of a document declares. Raises `UserError` where a name is ours already."""
        ours = {name for name in self.all() if name not in self._brought}
        for kind in declared(module, self.of):
            if kind.name in ours:
                raise UserError(f"{place}: {self.what} {kind.name!r} is there already; give it another name")
            self._brought[kind.name], self._home[kind.name] = kind, module.__name__

    def entry(self) -> PlainValidator:
        """The validator of an entry: by the model of the kind that its tag names."""
        return PlainValidator(self._read)

    def _read(self, value: Any) -> BaseModel:
        if isinstance(value, BaseModel):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"a mapping with the key {self.tag}")
        name = value.get(self.tag)
        if name is None:
            raise Misfit((self.tag,), "missing", value, "Field required")
        if not isinstance(name, str) or name not in self.all():
            raise Misfit((self.tag,), "value_error", name, f"a known {self.what}; {known_names(str(name), self.all())}")
        try:
            return self.all()[name].params.model_validate(value)
        except ValidationError as error:
            raise Misfit.of(error) from None


class Misfit(ValueError):
    """The first mistake inside an entry: where, of which type, what was found and what was expected, as pydantic says.

    pydantic knows an entry as a whole; the path within it is told by this.
    """

    def __init__(self, loc: tuple[int | str, ...], kind: str, found: Any, message: str) -> None:
        super().__init__(message)
        self.loc, self.kind, self.found, self.message = loc, kind, found, message

    @classmethod
    def of(cls, error: ValidationError) -> Misfit:
        """The first mistake of an error; of several an unknown key, since a misspelt one explains a missing one."""
        found = []
        for one in error.errors(include_url=False):
            inner = one.get("ctx", {}).get("error")
            if not isinstance(inner, Misfit):
                inner = cls((), one["type"], one["input"], one["msg"])
            found.append(cls((*one["loc"], *inner.loc), inner.kind, inner.found, inner.message))
        return min(found, key=lambda each: each.kind != "extra_forbidden")


def declared(module: ModuleType, of: type[K]) -> Iterator[K]:
    """The kinds of one point that a module declares, as KIND or KINDS."""
    for kind in (*getattr(module, "KINDS", ()), *([module.KIND] if hasattr(module, "KIND") else ())):
        if isinstance(kind, of):
            yield kind


def load(reference: str) -> Callable[..., Any]:
    """The function that "package.module:function" names. Raises `UserError` where it is not there."""
    module, _, function = reference.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except (ModuleNotFoundError, AttributeError):
        raise UserError(f"{reference}: no such function; a kind names it") from None
    return found


def module_in(reference: str) -> str:
    """The module in "package.module:function"."""
    return reference.partition(":")[0]
