"""The claims of singh2019supp on its own numbers."""

from on_print import verdicts_on_print


def test_the_claims_of_singh2019supp_on_its_own_numbers() -> None:
    assert set(verdicts_on_print("singh2019supp").values()) == {"holds"}
