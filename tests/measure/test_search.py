"""The search over open choices: exact on the printed counts, honest without a match, and checked by building."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.network import VideoConfig, build_video
from reeltrace.measure import search as search_module
from reeltrace.measure.search import count_by_arithmetic, search_configurations
from reeltrace.measure.structure import count_parameters
from reeltrace.models.nonlocal_i3d import NonLocalI3DConfig
from reeltrace.models.r2plus1d import R2Plus1DConfig
from reeltrace.models.slowfast import SlowFastConfig

R34 = R2Plus1DConfig()
R152 = R2Plus1DConfig(block="bottleneck", blocks=(3, 8, 36, 3))


def settings_of(field: str, *values: Any) -> dict[str, dict[str, Any]]:
    return {str(value): {field: value} for value in values}


CLASSES = settings_of("classes", 80, 400, 600)
TEMPORAL = {
    "first 6": {"slow_temporal_blocks": [3, 4, 6, 3], "fast_temporal_blocks": [3, 4, 6, 3]},
    "all 23": {"slow_temporal_blocks": [3, 4, 23, 3], "fast_temporal_blocks": [3, 4, 23, 3]},
}
STEM = {
    "3 x 7^2 through 45": {"stem_kernel": 3, "stem_between": 45},
    "3 x 7^2 by the rule": {"stem_kernel": 3, "stem_between": None},
    "7 x 7^2 by the rule": {"stem_kernel": 7, "stem_between": None},
}

small = st.integers(1, 3)
four = st.tuples(small, small, small, small)
odd = st.sampled_from([1, 3, 5])
patterns = st.tuples(*[st.lists(odd, min_size=1, max_size=2).map(tuple)] * 4)
strides = st.tuples(*[st.sampled_from([1, 2])] * 4)
after = st.tuples(*[st.sampled_from([(), (0,)])] * 4)
common = {"classes": st.integers(1, 9), "blocks": four, "strides": strides, "nonlocal_after": after}
any_config = st.one_of(
    st.builds(
        SlowFastConfig,
        width=st.sampled_from([8, 16]),
        beta_inverse=st.sampled_from([4, 8]),
        lateral_kernel=odd,
        lateral_ratio=small,
        stem_kernels=st.tuples(odd, odd),
        slow_temporal_kernels=patterns,
        fast_temporal_kernels=patterns,
        slow_temporal_blocks=four,
        fast_temporal_blocks=four,
        nonlocal_bias=st.booleans(),
        **common,
    ),
    st.builds(
        NonLocalI3DConfig,
        width=st.sampled_from([4, 6]),
        stem_kernel=odd,
        temporal_kernels=patterns,
        temporal_blocks=four,
        **common,
    ),
    st.builds(
        R2Plus1DConfig,
        classes=st.integers(1, 9),
        block=st.sampled_from(["basic", "bottleneck"]),
        blocks=four,
        width=st.sampled_from([4, 6]),
        stem_kernel=odd,
        stem_between=st.sampled_from([None, 5]),
        rule=st.sampled_from(["convolution", "block"]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(any_config)
def test_arithmetic_and_the_built_network_agree(config: VideoConfig) -> None:
    with torch.device("meta"):
        assert count_parameters(build_video(config)) == count_by_arithmetic(config)


def test_both_r2plus1d_are_explained_by_one_stem() -> None:
    """The 50,325 that both printed counts have in addition are a stem factored from 7 x 7^2."""
    found = search_configurations(
        {"34": R34, "152": R152},
        {"34": 63_747_500, "152": 118_277_110},
        {
            "stem": STEM,
            "rule": settings_of("rule", "convolution", "block"),
            "classes": settings_of("classes", 359, 400, 487, 600),
            "max_pool": settings_of("max_pool", False, True),
        },
    )
    assert {net: one["difference"] for net, one in found["given"].items()} == {"34": 50_325, "152": 50_325}
    assert found["without_influence"] == ["max_pool"]
    assert found["tried"] == 3 * 2 * 4 * 2
    (exact,) = found["exact"]
    assert exact["settings"] == {"stem": "7 x 7^2 by the rule", "rule": "convolution", "classes": "400"}
    assert exact["changed"] == ["stem"]
    assert found["nearest"] == []


def test_slowfast_is_explained_by_80_classes() -> None:
    found = search_configurations(
        {"slowfast": SlowFastConfig()},
        {"slowfast": 59_342_488},
        {
            "classes": CLASSES,
            "temporal kernels in res4": TEMPORAL,
            "lateral kernel": settings_of("lateral_kernel", 5, 7),
            "alpha": settings_of("alpha", 4, 8, 16),
        },
    )
    assert [one["changed"] for one in found["exact"]] == [["classes"]]
    assert found["exact"][0]["settings"]["temporal kernels in res4"] == "first 6"
    assert found["without_influence"] == ["alpha"]


def test_without_a_match_the_nearest_are_given() -> None:
    def run(printed: int) -> dict[str, Any]:
        return search_configurations({"a": R34}, {"a": printed}, {"classes": CLASSES, "stem": STEM}, nearest=3)

    counted = sorted(
        count_by_arithmetic(R2Plus1DConfig(classes=classes, **stem))
        for classes, stem in itertools.product((80, 400, 600), STEM.values())
    )
    found = run(counted[4] + 1)
    assert found["exact"] == []
    differences = [abs(one["difference"]["a"]) for one in found["nearest"]]
    assert differences == sorted(abs(counted[4] + 1 - count) for count in counted)[:3]
    assert differences[0] == 1
    assert [one["difference"]["a"] for one in found["nearest"]] == [
        counted[4] + 1 - one["parameters"]["a"] for one in found["nearest"]
    ]


def test_a_choice_of_one_setting_is_applied_and_named() -> None:
    found = search_configurations(
        {"a": R34}, {"a": 63_747_500}, {"stem": {"7": {"stem_kernel": 7, "stem_between": None}}}
    )
    assert found["exact"][0]["changed"] == ["stem"]
    assert found["without_influence"] == []


def test_the_result_is_plain_json_and_the_same_each_time() -> None:
    def run() -> dict[str, Any]:
        return search_configurations({"a": NonLocalI3DConfig()}, {"a": 59_112_656}, {"classes": CLASSES})

    assert run()["exact"][0]["changed"] == []
    assert json.dumps(run()) == json.dumps(run())
    assert json.loads(json.dumps(run())) == run()


def test_a_match_that_the_built_network_denies_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "count_by_arithmetic", lambda config: 7)
    with pytest.raises(CheckFailed, match=r"a with {} has 7 parameters by arithmetic and 63697175 when built"):
        search_configurations({"a": R34}, {"a": 7}, {})


@pytest.mark.parametrize(
    ("printed", "choices", "message"),
    [
        ({"b": 1}, {}, r"networks \['a'\] and printed counts of \['b'\]"),
        ({"a": 1}, {"classes": {}}, r"choice 'classes' has no setting"),
        ({"a": 1}, {"alpha": {"8": {"alpha": 8}}}, r"setting '8' of choice 'alpha' changes 'alpha', which no network"),
    ],
)
def test_wrong_searches_are_refused(printed: dict[str, int], choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        search_configurations({"a": R34}, printed, choices)
