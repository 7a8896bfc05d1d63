"""Weights: how a file of them is read, whether they fit a net, and how they come into it.

Reading never runs code from the file. What does not fit is refused with one line: the first weight that differs, and
what to do.
"""

from __future__ import annotations

import errno
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError

State = Mapping[str, Tensor]
COUNTER = "num_batches_tracked"  # of batch norm; files of an older torch lack it, and nothing here depends on it


@dataclass(frozen=True)
class Names:
    """What a net that grows from an image net calls that one's weights. The rest it calls as torchvision does.

    `renamed` are ends of its own names with those of the image net in their place, `own` parts of the names that only
    it has, `head` is what the names of the classifier begin with.
    """

    renamed: Mapping[str, str]
    own: tuple[str, ...]
    head: str = "fc."


# --- files ---


def read_tensors(path: Path, *, hashed: bool = False) -> Any:
    """What torch.save wrote to `path`: plain tensors and containers, tensors on the CPU, every byte of them checked.

    `hashed` says that the whole file was compared with a known hash before; else its own checksums are. (torch.load
    ignores them: a flipped bit would become another weight.) Raises ValueError with the reason in a few words, and
    OSError where the file cannot be read.
    """
    if not hashed:
        _check_sums(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a file's oddities before it refuses it
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # reading, unpickling and building tensors can fail anywhere, with pages of advice
        raise ValueError(f"{type(error).__name__}: it is damaged, or holds more than plain tensors") from error


def _check_sums(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise ValueError("empty")
    if start != b"PK\x03\x04":
        raise ValueError("damaged, or of torch before 1.6, whose files have no checksums: then save it again")
    try:
        with zipfile.ZipFile(path) as archive:
            odd = next((entry.filename for entry in archive.infolist() if not _is_plain(entry)), None)
            broken = odd or archive.testzip()
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that one: a place before the file's beginning
            raise
        # a damaged header can name anything: an unknown method, a password, a wrong length
        raise ValueError("damaged or cut off: its list of records cannot be read") from error
    if broken is not None:
        raise ValueError(f"damaged: its record {broken.rpartition('/')[2]!a} does not match its checksum")


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    """Whether a record is one that torch.save writes. What is marked as a folder torch takes for 0 bytes, unread."""
    return (
        entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size and not entry.external_attr
    )


def read_state(path: Path, *, hashed: bool = False) -> State:
    """The state dict in a file, by itself or in a checkpoint. Raises as `read_tensors` does, ValueError without one."""
    found = read_tensors(path, hashed=hashed)
    if isinstance(found, Mapping) and "state" in found:
        found = found["state"]
    if not is_state(found):
        raise ValueError("no state dict")
    return found


def is_state(found: Any) -> TypeGuard[State]:
    """Whether a value is a state dict: tensors by their names."""
    return isinstance(found, Mapping) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())


# --- nets ---


def load(net: nn.Module, state: State, where: str, remedy: str = "") -> None:
    """Give a net the weights of `state`, all of them. Raises as `check` does; the net is untouched then."""
    own = net.state_dict()
    check(state, own, where, remedy)
    net.load_state_dict({**own, **{name: value for name, value in state.items() if name in own}})


def check(state: State, wanted: State, where: str, remedy: str = "") -> None:
    """Whether weights have the names and shapes that are wanted, and types that become the wanted ones.

    Raises UserError "`where`: the first difference; `remedy`".
    """
    for name in sorted(state.keys() | wanted.keys()):
        if (difference := _difference(name, state.get(name), wanted.get(name))) is not None:
            raise UserError("; ".join(filter(None, (f"{where}: {name} is {difference}", remedy))))


def image_state(net: nn.Module) -> dict[str, Tensor]:
    """The weights that a net shares with the image net it grows from, by that one's names."""
    own = net.state_dict()
    return {image: own[name] for image, name in _shared(net).items()}


def load_images(net: nn.Module, state: State, where: str, remedy: str = "", *, head: bool = False) -> None:
    """Give a net the weights of the image net that it grows from, by that one's names; what it has besides stays.

    The classifier stays too, without `head`. Raises as `check` does; the net is untouched then.
    """
    names, own = _names(net), net.state_dict()
    shared = {image: name for image, name in _shared(net).items() if head or not image.startswith(names.head)}
    taken = {image: value for image, value in state.items() if head or not image.startswith(names.head)}
    check(taken, {image: own[name] for image, name in shared.items()}, where, remedy)
    net.load_state_dict({**own, **{shared[image]: value for image, value in taken.items() if image in shared}})


def _difference(name: str, found: Tensor | None, wanted: Tensor | None) -> str | None:
    """What is wrong with a weight, in a few words that follow "is"."""
    if found is None or wanted is None:
        return None if name.endswith(COUNTER) else f"not in the {'file' if found is None else 'net'}"
    if found.shape != wanted.shape:
        return f"{tuple(found.shape)}, expected {tuple(wanted.shape)}"
    if not torch.can_cast(found.dtype, wanted.dtype):
        return f"of type {found.dtype}, expected {wanted.dtype}"
    return None


def _names(net: nn.Module) -> Names:
    names: Names = net.image_names  # type: ignore[assignment]  # a net that grows from an image net has it
    return names


def _shared(net: nn.Module) -> dict[str, str]:
    """The net's own names of the weights that it shares with the image net, by that one's."""
    names, found = _names(net), {}
    for name in net.state_dict():
        if not any(part in name for part in names.own):
            end = next((end for end in names.renamed if name.endswith(end)), "")
            found[name.removesuffix(end) + names.renamed.get(end, "")] = name
    return found
