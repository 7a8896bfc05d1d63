"""How kinds are found, by name, and how an entry of an experiment is read by the one that it names."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, PlainValidator, ValidationError

from reeltrace.errors import UserError, known_names


@dataclass(frozen=True)
class Named:
    """What is declared at any point: its name."""

    name: str


@dataclass(frozen=True)
class Kind(Named):
    """What a kind of entry says besides: the model of an entry that gives its name."""

    params: type[BaseModel]


K = TypeVar("K", bound=Named)
E = TypeVar("E", bound=Kind)


class Point(Generic[K]):
    """A plug-in point: the kinds below one package of ours, and those that documents bring.

    `what` is its name in messages; `tag` the key of an entry that names a kind. `every` are all points there are.
    """

    every: ClassVar[list[Point[Any]]] = []

    def __init__(self, what: str, tag: str, package: str, of: type[K]) -> None:
        self.what, self.tag, self.package, self.of = what, tag, package, of
        self._own: dict[str, K] | None = None
        self._brought: dict[str, K] = {}
        self._home: dict[str, str] = {}
        self.every.append(self)

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
        """The module that declares a kind, by its name: "reeltrace..." for ours, "documents..." for a document's."""
        self.get(name)
        return self._home[name]

    def brought(self) -> Mapping[str, K]:
        """The kinds of documents, by name."""
        return self._brought

    def forget(self) -> None:
        """Forget the kinds of documents."""
        self._brought = {}

    def bring(self, module: ModuleType, place: str) -> int:
        """Take in the kinds that a module of a document declares, and say how many they are.

        Raises `UserError` where a name is another kind's already.
        """
        found = list(declared(module, self.of))
        for kind in found:
            if kind.name in self.all():
                raise UserError(f"{place}: {self.what} {kind.name!r} is there already; give it another name")
            self._brought[kind.name], self._home[kind.name] = kind, module.__name__
        return len(found)

    def entry(self: Point[E], offered: Callable[[E], bool] = lambda kind: True) -> PlainValidator:
        """The validator of an entry: by the model of the kind that its tag names, of those that are `offered`."""

        def read(value: Any) -> BaseModel:
            if isinstance(value, BaseModel):
                return value
            if not isinstance(value, dict):
                raise ValueError(f"a mapping with the key {self.tag}")
            if self.tag not in value:
                raise Misfit((self.tag,), "missing", value, "Field required")
            name, known = value[self.tag], {key: kind for key, kind in self.all().items() if offered(kind)}
            if not isinstance(name, str) or name not in known:
                raise Misfit((self.tag,), "value_error", name, f"a known {self.what}; {known_names(str(name), known)}")
            try:
                return known[name].params.model_validate(value)
            except ValidationError as error:
                raise Misfit.of(error) from None

        return PlainValidator(read)


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
    """The function that "package.module:function" names. Raises `UserError` where it cannot be had."""
    module, _, function = reference.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise UserError(f"{reference}: no such function; a kind names it") from None
        raise UserError(f"{reference}: its module cannot be loaded ({error}); correct it") from None
    except (AttributeError, ImportError, NameError) as error:
        raise UserError(
            f"{reference}: its module cannot be loaded ({type(error).__name__}: {error}); correct it"
        ) from None
    found: Callable[..., Any] | None = getattr(loaded, function, None)
    if found is None:
        raise UserError(f"{reference}: no such function; a kind names it")
    return found


def module_in(reference: str) -> str:
    """The module in "package.module:function"."""
    return reference.partition(":")[0]


def references(kind: Any) -> Iterator[str]:
    """Every "package.module:function" that a kind names, wherever in it."""
    if isinstance(kind, str):
        if re.fullmatch(r"[\w-]+(\.[\w-]+)+:\w+", kind):
            yield kind
    elif is_dataclass(kind):
        for each in fields(kind):
            yield from references(getattr(kind, each.name))
    elif isinstance(kind, tuple):
        for part in kind:
            yield from references(part)
