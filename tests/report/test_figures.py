"""Colours of heat maps, and how matrices become them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from reeltrace.report.figures import HEAT, HEAT_SIDE, heat, heat_scale


def lightness(colour: str) -> float:
    """The lightness of CIELAB of an sRGB colour, 0 to 100."""
    red, green, blue = (value / 255 for value in bytes.fromhex(colour))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    y = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return 116 * y ** (1 / 3) - 16


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_lightness_of_the_colours_rises_evenly() -> None:
    steps = np.diff([lightness(colour) for colour in HEAT])
    assert steps.min() > 4 and steps.max() - steps.min() < 1


def test_a_matrix_runs_from_its_least_to_its_largest_value() -> None:
    matrix = np.array([[-1.0, 0.0], [0.5, 3.0]])
    assert pixels(heat(matrix)).tolist() == [[0, 4], [6, len(HEAT) - 1]]
    assert pixels(heat(np.ones((3, 3)))).tolist() == [[0] * 3] * 3
    assert pixels(heat_scale()).tolist() == [list(range(len(HEAT)))]


@pytest.mark.parametrize("side", [HEAT_SIDE, HEAT_SIDE + 1, 8 * HEAT_SIDE])
def test_a_large_matrix_is_averaged_over_squares(side: int) -> None:
    found = pixels(heat(np.eye(side)))
    assert max(found.shape) <= HEAT_SIDE
    assert (found.diagonal() == len(HEAT) - 1).all() and found.sum() == found.trace()
