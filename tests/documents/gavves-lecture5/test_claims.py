"""The claims of gavves-lecture5 on its own numbers."""

from on_print import judged_on_print, with_verdict


def test_the_claims_of_the_slides_on_their_own_numbers() -> None:
    assert with_verdict("gavves-lecture5", "contradicted") == set()
    assert {"three-small-filters-cheaper", "weights-do-not-explode", "c3d-best-on-rgb", "two-stream-i3d-best"} <= (
        with_verdict("gavves-lecture5", "supported")
    )
    assert with_verdict("gavves-lecture5", "cannot be judged") == {
        "full-pre-activation-best",
        "naive-inception-expensive",  # the slides print no number for these three; they are judged on ours
        "resnext-block-costs-the-same",
        "plain-gradients-vanish",
    }


def test_the_number_in_a_cell_of_words_counts() -> None:
    found = judged_on_print("gavves-lecture5")
    filters = found["three-small-filters-cheaper"]["rule"][0]["print"]
    assert (filters["left"], filters["right"]) == (27, 49)
    layers = found["weights-do-not-explode"]["rule"][0]["print"]
    assert layers["right"] == 19 / 11
