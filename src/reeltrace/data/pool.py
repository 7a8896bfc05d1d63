"""A pool of digit images: what `mnist` and `digits` give, and the check of its pin."""

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reeltrace.errors import CheckFailed

DIGIT_CLASSES = tuple(str(digit) for digit in range(10))


class Pool(NamedTuple):
    """Grey digit images. `images` is uint8 (N, H, W), 0 black to 255 white; `labels` uint8 (N,), 0 to 9.

    `served` tells which route gave the pool; it is a fact about one run and never part of a result.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    served: str


class About(NamedTuple):
    """What the report says of a pool: the data source as a phrase, its licence, whom to cite."""

    source: str
    licence: str
    citation: str


def array_sha256(array: NDArray[Any]) -> str:
    """sha256 of the elements in C order, without any header: equal for equal arrays."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def check_pin(what: str, array: NDArray[Any], expected: str) -> None:
    """Raise CheckFailed unless the array's bytes have the pinned sha256."""
    found = array_sha256(array)
    if found != expected:
        raise CheckFailed(
            f"{what}: sha256 of the array is {found}, pinned {expected}; the data is not what the results "
            "rest on: install the locked versions, or correct the pin in src/reeltrace/data if the change is meant"
        )
