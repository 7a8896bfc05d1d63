"""The claims of basu2021 on its own numbers."""

import re

import pytest

from on_print import judged_on_print, verdicts_on_print, with_verdict


def test_what_its_own_numbers_contradict() -> None:
    assert with_verdict("basu2021", "contradicted") == {
        # Section 4.7 says that P43D loses on half turns; Table 5 says so of the ResNet only.
        "p43d-against-augmentation-cnn4",
        # Section 4.8 repeats for HMDB-51 the gains that hold on UCF-101.
        "gains-hmdb-cnn4",
        "gains-hmdb-resnet18",
        # Without augmentation P43D-ResNet falls from 51.38 to 21-27 on turned real videos.
        "p43d-keeps-ucf-resnet18",
    }


def test_gains_on_real_videos_lie_within_the_uncertainty_of_their_test_sets() -> None:
    found = verdicts_on_print("basu2021")
    gains = {n: v for n, v in found.items() if re.fullmatch(r"(t2|p43d)-original-(ucf|hmdb)-\w+", n)}
    assert len(gains) == 8 and set(gains.values()) == {"not distinguishable"}
    more = {v for n, v in found.items() if "-gains-more-on-hmdb-" in n}
    assert more == {"not distinguishable"}


def test_figures_are_held_against_the_tables() -> None:
    found = judged_on_print("basu2021")
    for architecture in ("cnn4", "resnet18"):
        assert found[f"gains-ucf-{architecture}"]["published_verdict"] == "supported"  # of the baseline's accuracy
        threefold = found[f"t2-threefold-{architecture}"]
        assert threefold["published_verdict"] == "supported"  # as an increase by three times; as three times it is not
        assert 3 < threefold["rule"][0]["print"]["left"] < 3.3
    first = found["gains-hmdb-cnn4"]["rule"][0]["print"]
    assert first["left"] == pytest.approx(100 * (21.99 / 20.86 - 1)) and first["right"] == pytest.approx(0.54)


def test_where_table_4_is_missing_nothing_is_judged() -> None:
    found = judged_on_print("basu2021")
    claim = found["reversal-augmentation-cnn4"]
    assert (
        claim["published_verdict"] == "cannot be judged" and "Table 4, Z3CNN(aug), treverse" in claim["published_why"]
    )
    assert {c["verdict"] for c in found.values()} == {"not run"}


def test_one_word_means_one_operation() -> None:
    """What the text calls significant is judged as significant wherever it stands."""
    for claim in judged_on_print("basu2021").values():
        operations = {comparison["op"] for comparison in claim["rule"]}
        if "significant" in claim["says"]:
            assert operations == {"significantly above"}, claim["id"]
        assert not operations & {"significantly above"} or "significant" in claim["says"], claim["id"]
