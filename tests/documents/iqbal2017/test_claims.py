"""The claims of iqbal2017 on its own numbers."""

import pytest

from on_print import judged_on_print, with_verdict


def test_the_claims_of_iqbal2017_on_its_own_numbers() -> None:
    # Table 5.9 has an appearance stream with fewer errors, which chapter 6 forgets and section 5.7 does not.
    assert with_verdict("iqbal2017", "contradicted") == {"beats-all-appearance-streams"}
    assert {
        "adam-1-percent-best",
        "deeper-features",
        "beats-pure-appearance-streams",
        "mean-over-splits",
    } <= with_verdict("iqbal2017", "supported")
    # Differences of a few errors in a thousand are within the uncertainty of 3,783 videos, whichever way they go.
    assert {"second-frame-best", "context-3-gains-little", "context-3-special", "adam-at-equal-share"} <= with_verdict(
        "iqbal2017", "not distinguishable"
    )


def test_significantly_worse_is_judged_as_significant() -> None:
    claim = judged_on_print("iqbal2017")["finetuned-worse"]
    assert {comparison["op"] for comparison in claim["rule"]} == {"significantly above"}
    block4 = claim["rule"][1]["print"]
    assert block4["difference"] == pytest.approx(1.8) and block4["p"] > 0.05
