"""Safe YAML that refuses what YAML itself would settle in silence, and what would take a reader's stack or memory.

That is: a key given twice, of which the last would win; lists and mappings nested very deeply; aliases that unfold into
very many values; numbers of very many digits, and those that are none (`.nan`, `.inf`); and words that YAML 1.1 takes
for something else than they look like: `1:30` for 90, `010` for 8, `1_000` for 1000, `on` for true, `2017-01-01` for a
date. Hexadecimal numbers, `true` and `null` look like what they are.
"""

import math
import re
from typing import Any

import yaml

try:  # libyaml's parser, several times as quick
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

MOST_CHARACTERS = 4_000_000  # or bytes, of a whole text
MOST_VALUES = 100_000  # with aliases unfolded
MOST_DEEP = 64  # levels of lists and mappings
LONGEST_NUMBER = 100  # characters


_TAG = "tag:yaml.org,2002:"
# How a value of a tag is written, so that it looks like what it is.
_PLAIN = {
    f"{_TAG}int": re.compile(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)"),
    f"{_TAG}float": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"),
    f"{_TAG}bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    f"{_TAG}timestamp": re.compile(r"(?!)"),
}


class SurprisingError(yaml.constructor.ConstructorError):
    """A word that means something else than it looks like; `problem` names its key, and how to write it."""


class TwiceError(yaml.constructor.ConstructorError):
    """A mapping gives one key twice; `problem` names it, `problem_mark` is where it comes again."""


class Loader(SafeLoader):
    """PyYAML's safe loader for mappings whose keys are single words, each given once; `<<` merges as usual."""

    document: yaml.Node | None = None

    def construct_document(self, node: yaml.Node) -> Any:
        """As in PyYAML."""
        self.document = node
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As in PyYAML. Raises ConstructorError, with its place, for a number or a date that cannot be one.

        A SurprisingError is raised for what does not look like what it means, and for numbers that are not finite.
        """
        value = self._construct(node, deep)
        plain = _PLAIN.get(node.tag)
        if plain and isinstance(node, yaml.ScalarNode):
            how = _surprise(node.value, value, plain)
            if how:
                where = _path_to(node, self.document)
                problem = f"{where}: found {node.value}{how}" if where else f"found {node.value}{how}"
                raise SurprisingError(None, None, problem, node.start_mark)
        return value

    def _construct(self, node: yaml.Node, deep: bool) -> Any:
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(node.value) > LONGEST_NUMBER:
            problem = f"a number of {len(node.value)} characters, at most {LONGEST_NUMBER} are read"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None
        except (AttributeError, LookupError, TypeError):  # what PyYAML meets where a tag belies its text
            problem = f"not a value of the tag {node.tag}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As in PyYAML. Raises TwiceError for a key that comes again, ConstructorError for one that is no word."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be one word", key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and not key.isprintable():  # a line break, in quotes: no line could name it
                problem = f"found the key {key[:40]!r}; expected characters that can be printed, in one line"
                raise SurprisingError(None, None, problem, key_node.start_mark)
            if key in seen:
                raise TwiceError(None, None, f"key {key!r} appears twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _surprise(text: str, value: Any, plain: re.Pattern[str]) -> str:
    """What is wrong with a word that was read as `value`, and what to write; "" if all is well."""
    if isinstance(value, float) and not math.isfinite(value):
        return "; expected a finite number"
    if plain.fullmatch(text):
        return ""
    if isinstance(value, bool | int | float):
        read = str(value).lower()
        return f", which YAML takes for {read}; write {read}, or '{text}' in quotes if a text is meant"
    return f", which YAML takes for a date; write it in quotes: '{text}'"


def _path_to(wanted: yaml.Node, root: yaml.Node | None) -> str:
    """The path of the key of a value, or of the mapping of a key: "datasets.hmdb51.split"; "" of the whole document."""
    waiting: list[tuple[yaml.Node | None, tuple[str, ...]]] = [(root, ())]
    seen: set[int] = set()
    while waiting:
        node, path = waiting.pop()
        if node is wanted:
            return ".".join(path)
        if id(node) in seen:
            continue
        seen.add(id(node))
        inside: list[tuple[yaml.Node | None, tuple[str, ...]]] = []
        if isinstance(node, yaml.SequenceNode):
            inside = [(item, (*path, str(index))) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                inside += [(key, path), (item, (*path, str(key.value)))]
        waiting += reversed(inside)  # in the order of the text: where an anchor stands, before its aliases
    return ""


def load_all(text: str) -> list[Any]:
    """The values of a text of YAML documents. Raises yaml.YAMLError, see `complaint`."""
    _check_size(text)
    try:
        return list(yaml.load_all(text, Loader=Loader))
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None


def load(text: str) -> Any:
    """The value of a text of one YAML document, None of an empty one. Raises yaml.YAMLError, see `complaint`."""
    found = load_all(text)
    if len(found) > 1:
        raise yaml.YAMLError(f"found {len(found)} documents, expected one")
    return found[0] if found else None


def complaint(error: yaml.YAMLError) -> str:
    """An error as one line: "line 3, column 1: not valid YAML (key 'seeds' appears twice)".

    Of what is valid and refused all the same: "line 2, column 9: seeds.0: found 1:30, which YAML takes for 90; ...".
    """
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
    if isinstance(error, SurprisingError):
        return where + problem[:300]
    return f"{where}not valid YAML ({problem[:200]})"


def _refusal(problem: str, event: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, event.start_mark)


def _check_size(text: str) -> None:
    """Refuse a text that is too large or too deep to be built, from its events alone, which take no stack."""
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"{len(text)} characters, expected at most {MOST_CHARACTERS}")
    sizes: dict[str | None, int] = {}  # of the values that anchors name, aliases unfolded
    open_: list[tuple[str | None, int]] = []  # (anchor, values so far) of each list and mapping around an event
    for event in yaml.parse(text, Loader=SafeLoader):
        size = 1
        if isinstance(event, yaml.DocumentStartEvent):
            sizes = {}
            continue
        if isinstance(event, yaml.CollectionStartEvent):
            if len(open_) == MOST_DEEP:
                problem = f"nested deeper than {MOST_DEEP} levels"
                raise _refusal(problem, event)
            open_.append((event.anchor, 1))
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
            if anchor is not None:
                sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                problem = "an anchor contains itself"
                raise _refusal(problem, event)
            size = sizes.get(event.anchor, 1)
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        elif event.anchor is not None:
            sizes[event.anchor] = 1
        if open_:
            anchor, before = open_[-1]
            open_[-1] = (anchor, before + size)
            size += before
        if size > MOST_VALUES:
            problem = f"more than {MOST_VALUES} values"
            raise _refusal(problem, event)
