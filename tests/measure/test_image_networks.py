"""Image networks counted row by row."""

import pytest
from torch import nn

from reeltrace.errors import CheckFailed
from reeltrace.measure.image_networks import parameters_by_kind, rows_of


def test_two_counts_of_parameters_must_agree() -> None:
    net = nn.Conv2d(2, 3, 1)
    net.weight.requires_grad = False
    with pytest.raises(CheckFailed, match="layer by layer 9, in all 3"):
        parameters_by_kind(net)


def test_rows_have_what_goes_in_and_out_and_costs() -> None:
    rows = rows_of(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()), side=9)
    assert (rows["0"].taken, rows["0"].given) == ((3, 9, 9), (4, 4, 4))
    assert (rows["0"].multiply_adds, rows["1"].multiply_adds) == (3 * 4 * 9 * 16, 0)
