"""The claims of singh2019supp on its own numbers."""

import pytest

from on_print import judged_on_print, with_verdict


def test_the_claims_of_singh2019supp_on_its_own_numbers() -> None:
    assert with_verdict("singh2019supp", "contradicted") == {"imagenet-almost-3"}
    assert with_verdict("singh2019supp", "cannot be judged") == {
        "deviation-drops-with-depth",
        "diagonal-rises-with-depth",
        "imagenet-trains-faster",
    }


def test_almost_3_is_held_against_3() -> None:
    found = judged_on_print("singh2019supp")["imagenet-almost-3"]["rule"][0]["print"]
    assert (found["left"], found["right"]) == (pytest.approx(3.9), 3.0) and found["holds"] is False
