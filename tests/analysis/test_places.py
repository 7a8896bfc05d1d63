"""Places of a text: sections, slides, tables with captions, paragraphs; and prints without their markup."""

import pytest

from reeltrace.analysis.places import Text, normal

TEXT = Text(
    """Contents

4 Results\t7

4. Results

4.1. Clips

Two nets reach 70.1 and

Net\tClips\t
A\t70.1\t
B\t<b>70.2</b>\t

Table 3: Accuracy of nets.

70.2 percent.

We see 71 more.

4.2. Whole videos

Here are 80.

# Why $3 \\times 3$?

Two

# End, last

Table 3 says so.
"""
)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("$3 \\times 3 \\times 3$", "3x3x3"),
        ("T ₂ Conv _{Z3}", "T2ConvZ3"),
        ("P ₄₃ DNet", "P43DNet"),
        ("<b>0.236</b>", "0.236"),
        ("**7.35**", "7.35"),
        ("224 x 224", "224 x 224"),
        ("7×7/2", "7x7/2"),
        ("32 × 4d", "32 x 4d"),
        ("1.344e^{-6}", "1.344e-6"),
        ("8 \\times 56^2", "8x56^2"),
        ("27 \\cdot C", "27·C"),
        (
            "$\\begin{bmatrix} 1 \\times 1^2, 64 \\\\ 1 \\times 3^2, 64 \\end{bmatrix} \\times 3$",
            "[1x1^2, 64; 1x3^2, 64] x 3",
        ),
        ("Groupwise  Avg\nPool", "Groupwise Avg Pool"),
    ],
)
def test_a_print_without_its_markup(raw: str, plain: str) -> None:
    assert normal(raw) == plain


@pytest.mark.parametrize(
    ("place", "begins", "ends"),
    [
        ("section 4", "4. Results", "# Why $3 \\times 3$?\n\nTwo\n\n# End, last\n\nTable 3 says so.\n"),
        ("section 4.1", "4.1. Clips", "We see 71 more.\n\n"),
        ("section 4.1, Table 3", "Net\tClips", "B\t<b>70.2</b>\t"),
        ("section 4.1, Table 3, A", "A\t70.1", "A\t70.1\t"),
        ("section 4.2, Table 3", "Net\tClips", "B\t<b>70.2</b>\t"),  # it floated away
        ("section 4.1, caption of Table 3", "\nTable 3: Acc", "of nets."),
        ("section 4.1, first paragraph", "Two nets", "70.2 percent."),  # which the table cut in two
        ("section 4.1, second paragraph (prose)", "We see", "71 more."),
        ("section 4.1, paragraph after Table 3", "\n\n70.2", "71 more.\n\n"),
        ("slide Why 3x3?", "# Why", "Two\n\n"),
        ("slide End, last", "# End", "says so.\n"),
        ("slide without a title after End, last", "# End", "says so.\n"),
    ],
)
def test_where_a_place_is(place: str, begins: str, ends: str) -> None:
    regions = TEXT.place(place).regions
    assert TEXT.of(regions[0]).startswith(begins)
    assert TEXT.of(regions[-1]).endswith(ends)


def test_a_table_has_lines_of_cells() -> None:
    lines = TEXT.place("section 4.1, Table 3").lines
    assert [[TEXT.of(cell) for cell in line.filled] for line in lines] == [
        ["Net", "Clips"],
        ["A", "70.1"],
        ["B", "<b>70.2</b>"],
    ]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("section 9", "no section 9"),
        ("section 4.1, Table 9", "no caption of Table 9"),
        ("section 4.1, sixth paragraph", "2 paragraphs only"),
        ("section 4.1, Table 3, Nobody", "nothing there is 'Nobody'"),
        ("section 4.1, somewhere", "nothing there is 'somewhere'"),
        ("slide Middle", "no slide 'Middle'"),
        ("page 4", "neither a section nor a slide"),
    ],
)
def test_a_place_that_is_not_there_is_said(place: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TEXT.place(place)
