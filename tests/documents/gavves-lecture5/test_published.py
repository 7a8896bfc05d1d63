"""The transcription of gavves-lecture5: its shape, and the relations that the document states."""

from conftest import PROJECT
from reeltrace.analysis.published import load


def test_the_lecture_is_transcribed_in_units_that_parse() -> None:
    lecture = load("gavves-lecture5", PROJECT)
    assert len(lecture.tables) == 12
    assert lecture.tables["GoogLeNet"].cell("convolution 1", "params").value == 2.7
    assert lecture.tables["ResNeXt"].cell("ResNeXt-101 (64x4d)", "complexity").value == 2.0
