"""The claims of iqbal2017 on its own numbers."""

from on_print import verdicts_on_print


def test_the_claims_of_iqbal2017_on_its_own_numbers() -> None:
    found = verdicts_on_print("iqbal2017")
    assert set(found.values()) == {"holds", "fails"}
    failing = {name for name, verdict in found.items() if verdict == "fails"}
    # what fails is what the text says more broadly than its tables allow
    assert failing >= {"adam-at-equal-share", "context-3-special", "beats-all-appearance-streams"}
    assert {"pooling-beats-gru", "adam-1-percent-best", "identity-beats-convolution", "context-5-loses"} <= set(
        found
    ) - failing
