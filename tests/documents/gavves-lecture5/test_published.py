"""The transcription of gavves-lecture5: its shape, and the relations that the document states."""

from conftest import PROJECT
from reeltrace.analysis.published import load


def test_the_lecture_is_transcribed_in_units_that_parse() -> None:
    lecture = load("gavves-lecture5", PROJECT)
    printed = [key for key, table in lecture.tables.items() if any(cell.printed for cell in table.cells)]
    assert len(printed) == 12 and len(lecture.tables) == 16  # four are ours
    assert lecture.tables["GoogLeNet"].cell("convolution 1", "params").value == 2.7
    assert lecture.tables["ResNeXt"].cell("ResNeXt-101 (64x4d)", "complexity").value == 2.0
