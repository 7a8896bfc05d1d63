"""Safe YAML that refuses what YAML itself would settle in silence, and what would take a reader's stack or memory.

That is: a key given twice, of which the last would win; lists and mappings nested very deeply; aliases that unfold into
very many values; numbers of very many digits.
"""

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


class TwiceError(yaml.constructor.ConstructorError):
    """A mapping gives one key twice; `problem` names it, `problem_mark` is where it comes again."""


class Loader(SafeLoader):
    """PyYAML's safe loader for mappings whose keys are single words, each given once; `<<` merges as usual."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As in PyYAML. Raises ConstructorError, with its place, for a number or a date that cannot be one."""
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
            if key in seen:
                raise TwiceError(None, None, f"key {key!r} appears twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


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
    """An error as one line: "line 3, column 1: not valid YAML (key 'seeds' appears twice)"."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
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
