"""The groups satisfy the axioms, and their actions are actions."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.errors import UserError
from reeltrace.models.groups import GROUPS, Group, cyclic, get_group

groups = st.sampled_from(sorted(GROUPS)).map(GROUPS.__getitem__)


@st.composite
def two_elements(draw: st.DrawFn) -> tuple[Group, int, int]:
    group = draw(groups)
    return group, draw(st.sampled_from(group.elements)), draw(st.sampled_from(group.elements))


def test_the_three_groups_of_the_document() -> None:
    assert {group.name: (group.label, group.order) for group in GROUPS.values()} == {
        "z3": ("Z3", 1),
        "t2": ("T2", 2),
        "p43d": ("P43D", 4),
    }
    assert all(name == group.name for name, group in GROUPS.items())


def test_group_axioms(group: Group) -> None:
    elements = set(group.elements)
    for a, b, c in product(group.elements, repeat=3):
        assert group.compose(a, b) in elements
        assert group.compose(group.compose(a, b), c) == group.compose(a, group.compose(b, c))
    for a in group.elements:
        assert group.compose(0, a) == group.compose(a, 0) == a
        assert group.compose(a, group.inverse(a)) == group.compose(group.inverse(a), a) == 0


@given(two_elements(), st.integers(1, 4), st.integers(1, 5))
def test_action_on_volumes_is_a_homomorphism(case: tuple[Group, int, int], frames: int, side: int) -> None:
    group, a, b = case
    volume = torch.arange(2 * frames * side * (side + 1)).view(2, frames, side, side + 1)
    assert torch.equal(group.act(group.act(volume, b), a), group.act(volume, group.compose(a, b)))
    assert torch.equal(group.act(volume, 0), volume)


@given(two_elements())
def test_actions_on_orientations_kernels_and_features_are_homomorphisms(case: tuple[Group, int, int]) -> None:
    group, a, b = case
    ab = group.compose(a, b)
    source_a, source_b = group.orientation_source(a), group.orientation_source(b)
    assert tuple(source_b[i] for i in source_a) == group.orientation_source(ab)
    assert sorted(source_a) == list(group.elements)

    kernel = torch.arange(3 * group.order * 27).view(3, group.order, 3, 3, 3)
    assert torch.equal(group.act_on_kernel(group.act_on_kernel(kernel, b, 1), a, 1), group.act_on_kernel(kernel, ab, 1))
    features = torch.arange(2 * 3 * group.order * 27).view(2, 3 * group.order, 3, 3, 3)
    assert torch.equal(
        group.act_on_features(group.act_on_features(features, b), a), group.act_on_features(features, ab)
    )


def test_different_elements_act_differently(group: Group) -> None:
    volume = torch.arange(27).view(3, 3, 3)
    assert len({tuple(group.act(volume, g).flatten().tolist()) for g in group.elements}) == group.order


def test_t2_reverses_the_frames_and_nothing_else() -> None:
    clip = torch.arange(24).view(4, 2, 3)
    assert torch.equal(get_group("t2").act(clip, 1), torch.stack([clip[3], clip[2], clip[1], clip[0]]))


def test_p43d_turns_counter_clockwise_as_seen() -> None:
    # Row 0 is on top: after a quarter turn to the left the right column is the top row.
    frame = torch.tensor([[1, 2], [3, 4]])
    assert torch.equal(get_group("p43d").act(frame[None], 1), torch.tensor([[[2, 4], [1, 3]]]))


def test_preserves_refuses_shapes_that_the_group_would_change() -> None:
    p43d, t2 = get_group("p43d"), get_group("t2")
    assert p43d.preserves((1, 3, 3))
    assert not p43d.preserves((3, 3, 1))
    assert t2.preserves((3, 5, 1))


def test_unknown_group_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown group 'd4': expected one of p43d, t2, z3"):
        get_group("d4")


def test_a_new_group_is_a_few_lines() -> None:
    mirror = Group("mirror", "M", cyclic(2), lambda volume, g: volume.flip(-1) if g else volume)
    assert torch.equal(mirror.act(torch.tensor([[[1, 2]]]), 1), torch.tensor([[[2, 1]]]))
