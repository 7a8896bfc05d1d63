"""Safe YAML that refuses a key given twice, which YAML itself would settle by letting the last one win."""

from typing import Any

import yaml

try:  # libyaml's parser, several times as quick
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


class TwiceError(yaml.constructor.ConstructorError):
    """A mapping gives one key twice; `problem` names it, `problem_mark` is where it comes again."""


class Loader(SafeLoader):
    """PyYAML's safe loader for mappings whose keys are single words, each given once; `<<` merges as usual."""

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


def compose(text: str) -> yaml.Node | None:
    """The tree of a YAML text before its aliases are unfolded; None of an empty one. Raises yaml.YAMLError."""
    node: yaml.Node | None = yaml.compose(text, Loader=SafeLoader)
    return node
