"""Frame-mAP: by hand, against a slow reference of our own, and against numbers of a public implementation."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from reeltrace.detection.ava import Corners, Frame, Label
from reeltrace.detection.average_precision import average_precision, evaluate, intersection_over_union, mean

ONE, TWO, THREE = (Frame("clip", 1000 * second) for second in (902, 903, 904))
LEFT, RIGHT = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)


def test_a_case_by_hand() -> None:
    """Three labelled boxes; detections right, wrong (twice the same box), right: precisions 1, 1/2, 2/3 at recalls
    1/3, 1/3, 2/3, and one box is never found: 1/3 * 1 + 1/3 * 2/3 = 5/9. The other action is never detected: 0."""
    labels = [Label(ONE, LEFT, 1), Label(ONE, RIGHT, 1), Label(TWO, LEFT, 1), Label(TWO, RIGHT, 4)]
    detections = [
        Label(ONE, (0.0, 0.0, 0.41, 1.0), 1, 0.8),
        Label(TWO, LEFT, 1, 0.6),
        Label(ONE, LEFT, 1, 0.9),
        Label(THREE, LEFT, 7, 0.99),  # of an action without a label: no action of its own, no influence
    ]
    found = evaluate(labels, detections)
    assert list(found) == [1, 4]
    assert found[1].average_precision == pytest.approx(5 / 9)
    assert (found[1].labelled, found[1].detected) == (3, 3)
    assert found[4].average_precision == 0 and found[4].detected == 0
    assert mean(found) == pytest.approx(5 / 18)


def test_an_overlap_of_half_counts_and_less_does_not() -> None:
    truth, half, less = (0.0, 0.0, 0.25, 1.0), (0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 0.53125, 1.0)  # exact in binary
    for box, expected in ((half, 1.0), (less, 0.0)):
        assert mean(evaluate([Label(ONE, truth, 1)], [Label(ONE, box, 1, 0.5)])) == expected


def test_a_box_belongs_to_the_label_that_it_overlaps_most() -> None:
    """The second box would be right about the other label, but overlaps the taken one more."""
    labels = [Label(ONE, (0.0, 0.0, 0.5, 1.0), 1), Label(ONE, (0.0, 0.0, 0.6, 1.0), 1)]
    detections = [Label(ONE, (0.0, 0.0, 0.5, 1.0), 1, 0.9), Label(ONE, (0.0, 0.0, 0.52, 1.0), 1, 0.8)]
    assert mean(evaluate(labels, detections)) == pytest.approx(0.5)


def test_a_wrong_frame_is_wrong_and_an_excluded_one_is_not_there() -> None:
    labels, detections = (
        [Label(ONE, LEFT, 1), Label(TWO, LEFT, 1)],
        [Label(ONE, LEFT, 1, 0.5), Label(THREE, LEFT, 1, 0.9)],
    )
    assert mean(evaluate(labels, detections)) == pytest.approx(0.5 * 0.5)
    assert mean(evaluate(labels, detections, excluded={THREE})) == pytest.approx(0.5)
    assert mean(evaluate(labels, detections, excluded={TWO, THREE})) == 1.0
    assert mean(evaluate([], detections)) is None


def test_precision_falls_only() -> None:
    """Wrong, then right: the precision at recall 1/2 is that of the later ones, 2/3, and not 1/2."""
    scores, right = np.array([0.9, 0.8, 0.7]), np.array([False, True, True])
    assert average_precision(scores, right, 2) == pytest.approx(2 / 3)


def test_intersection_over_union_is_symmetric_and_exact() -> None:
    boxes = np.array([LEFT, RIGHT, (0.2, 0.0, 0.6, 0.5)])
    shares = intersection_over_union(boxes, boxes)
    both = 0.1 / 0.5
    assert shares.tolist() == shares.T.tolist()
    assert shares.ravel().tolist() == pytest.approx([1, 0, both, 0, 1, 0, both, 0, 1])


# --- a reference of our own, and the public one ---


def drawn(seed: int, frames: int = 40, actions: int = 6) -> tuple[list[Label], list[Label]]:
    """Labels of up to four boxes per frame with up to three actions each, and detections: moved boxes, doubled ones,
    wrong ones, all scores different. In hundredths, so that decimals are the same everywhere."""
    dice = random.Random(seed)
    labels, detections = [], []

    def box() -> Corners:
        x, y = dice.randrange(60), dice.randrange(60)
        return x / 100, y / 100, (x + dice.randrange(15, 40)) / 100, (y + dice.randrange(15, 40)) / 100

    def moved(old: Corners, most: int) -> Corners:
        x1, y1, x2, y2 = (round(100 * v) + dice.randrange(-most, most + 1) for v in old)
        return max(0, x1) / 100, max(0, y1) / 100, min(100, max(x2, x1 + 3)) / 100, min(100, max(y2, y1 + 3)) / 100

    scores = dice.sample(range(1, 100_000), 60 * frames)
    for number in range(frames):
        frame = Frame(f"video{number % 3}", 1000 * (902 + number))
        for _ in range(dice.randrange(5)):
            truth = box()
            for action in dice.sample(range(1, actions + 1), dice.randrange(1, 4)):
                labels.append(Label(frame, truth, action))
                for _ in range(dice.randrange(3)):
                    near = moved(truth, dice.choice((1, 4, 9)))
                    detections.append(Label(frame, near, action, scores.pop() / 100_000))
        for _ in range(dice.randrange(4)):
            detections.append(Label(frame, box(), dice.randrange(1, actions + 2), scores.pop() / 100_000))
    dice.shuffle(detections)
    return labels, detections


def slowly(labels: list[Label], detections: list[Label], action: int) -> Fraction:
    """Average precision in fractions, from its definition: at each recall that is reached, the best precision there
    or beyond. Nothing is shared with what is tested."""

    def exact(label: Label) -> list[Fraction]:
        return [Fraction(round(value * 100), 100) for value in label.box]

    def overlap(one: Label, other: Label) -> Fraction:
        a, b = exact(one), exact(other)
        wide = min(a[2], b[2]) - max(a[0], b[0])
        high = min(a[3], b[3]) - max(a[1], b[1])
        both = wide * high if wide > 0 and high > 0 else Fraction(0)
        return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

    wanted = [one for one in labels if one.action == action]
    taken: set[int] = set()
    points: list[tuple[Fraction, Fraction]] = []
    hits = 0
    for count, one in enumerate(
        sorted((one for one in detections if one.action == action), key=lambda one: one.score or 0, reverse=True), 1
    ):
        here = [number for number, label in enumerate(wanted) if label.frame == one.frame]
        best = max(here, key=lambda number: (overlap(one, wanted[number]), -number), default=None)
        if best is not None and overlap(one, wanted[best]) >= Fraction(1, 2) and best not in taken:
            taken.add(best)
            hits += 1
        points.append((Fraction(hits, len(wanted)), Fraction(hits, count)))
    area, before = Fraction(0), Fraction(0)
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - before) * max(precision for reached, precision in points if reached >= recall)
        before = recall
    return area


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_slow_reference(seed: int) -> None:
    labels, detections = drawn(seed, frames=20)
    found = evaluate(labels, detections)
    for action, each in found.items():
        assert each.average_precision == pytest.approx(float(slowly(labels, detections, action)), abs=1e-12)
    assert len(found) == 6 and 0.1 < (mean(found) or 0) < 0.9


PUBLIC = {
    11: [
        *(0.27367424242424243, 0.5807125307125307, 0.4278457326986739),
        *(0.3737373737373737, 0.3830480579328505, 0.47002652519893895),
    ],
    12: [
        *(0.446408529741863, 0.2447204968944099, 0.31645497605249917),
        *(0.4866107490276005, 0.21754160513728096, 0.38582204947716553),
    ],
}
PUBLIC_MEAN = {11: 0.418174077117435, 12: 0.34959306772180315}


@pytest.mark.parametrize("seed", PUBLIC)
def test_it_is_what_the_public_evaluation_says(seed: int) -> None:
    """Numbers of the public evaluation, PASCAL detection of tensorflow/models' object_detection in the copy that
    facebookresearch/SlowFast (commit 287ec00) carries as ava_evaluation. It was run once on these labels and
    detections, outside of this project, with the detections from the surest to the least sure: that copy takes those
    of a frame in the order in which it is given them."""
    labels, detections = drawn(seed)
    found = evaluate(labels, detections)
    assert list(found) == [1, 2, 3, 4, 5, 6]
    assert [each.average_precision for each in found.values()] == pytest.approx(PUBLIC[seed], abs=1e-12)
    assert mean(found) == pytest.approx(PUBLIC_MEAN[seed], abs=1e-12)


def test_equal_scores_come_in_their_order() -> None:
    right, wrong = Label(ONE, LEFT, 1, 0.5), Label(ONE, RIGHT, 1, 0.5)
    assert mean(evaluate([Label(ONE, LEFT, 1)], [right, wrong])) == 1.0
    assert mean(evaluate([Label(ONE, LEFT, 1)], [wrong, right])) == 0.5
