"""Units of what a training gives: shares of a test set, and how long it took."""

from typing import Any

from reeltrace.kinds.unit import Share, Unit, as_it_is, integer, marked, numeral, real, rounded, with_decimals


@marked
def percentage(text: str) -> str:
    """The number in a percentage."""
    what = "a percentage in 0..100"
    number = numeral(r"\d{1,3}(?:\.\d+)?", what)(text)
    if float(number) > 100:
        raise ValueError(f"{text!r} is not {what}")
    return number


@marked
def rate(text: str) -> str:
    """The number in an error rate."""
    what = "an error rate such as '0.197'"
    number = numeral(r"[01]\.\d+", what)(text)
    if float(number) > 1:
        raise ValueError(f"{text!r} is not {what}")
    return number


def duration(value: Any) -> str:
    """Hours as they read well: `12.3 s`, `4.5 min` or `35.0 h`."""
    if isinstance(value, str | list):
        return as_it_is(value)
    seconds = float(value * 3600)
    for unit, least, size in (("h", 3600, 3600), ("min", 120, 60)):
        if seconds >= least:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


hours = marked(numeral(r"(\d+) Hrs", "a time such as '161 Hrs'"))

KINDS = (
    Unit(
        name="percent",
        read=real(percentage),
        number=percentage,
        whole=False,
        write=with_decimals(2),
        compare=rounded,
        share=Share(whole=100, decimals=2, drawn="top-1 accuracy in percent", caption="Accuracy in percent"),
        layers=None,
        behind="points",
    ),
    Unit(
        name="error rate",
        read=real(rate),
        number=rate,
        whole=False,
        write=with_decimals(3),
        compare=rounded,
        share=Share(whole=1, decimals=3, drawn="error rate", caption="Error rate"),
        layers=None,
        behind="",
    ),
    Unit(
        name="hours",
        read=integer(hours),
        number=hours,
        whole=True,
        write=duration,
        compare=rounded,
        share=None,
        layers=None,
        behind="",
    ),
)
