"""The types of single values in the registry, and the strictness that all entries share."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Scale = Literal["paper", "quick", "smoke"]
SCALES: tuple[Scale, ...] = ("paper", "quick", "smoke")


def no_flag(value: Any) -> Any:
    """Refuse true and false where a number is meant."""
    if isinstance(value, bool):
        raise ValueError(f"a number, not {str(value).lower()}")
    return value


def names_what_it_replaces(sentence: str) -> str:
    """Refuse a sentence on stand-in data that does not end in the name of the data it stands in for."""
    if not replaced(sentence):
        raise ValueError(
            "what is used, `in place of`, and the name of the data, as in: drawn clips in place of UCF-101"
        )
    return sentence


def replaced(sentences: str) -> dict[str, str]:
    """By the name of data that is not used: the sentence that says what stands in for it. They are separated by `; `.

    The report marks these names wherever they label a number.
    """
    found = (re.fullmatch(r"\S.* in place of (\S[^;]*)", sentence) for sentence in sentences.split("; "))
    return {match[1]: match[0] for match in found if match}


# Two dashes only where registry/readings.py puts them, between a key and a reading of it.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(--?[a-z0-9]+)*$", max_length=60)]
PositiveInt = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Count = Annotated[int, Field(ge=0, le=10**6, strict=True)]
Pixels = Annotated[int, Field(ge=1, le=10**4, strict=True)]  # a side of a frame
Frames = Annotated[int, Field(ge=1, le=10**4, strict=True)]
Channels = Annotated[int, Field(ge=1, le=2**16, strict=True)]  # of a layer
Extent = Annotated[int, Field(ge=1, le=100, strict=True)]  # of a kernel or a stride along one axis
Epochs = Annotated[int, Field(ge=1, le=10**5, strict=True)]
BatchSize = Annotated[int, Field(ge=1, le=2**16, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
PositiveFloat = Annotated[float, BeforeValidator(no_flag), Field(gt=0, le=1e38, allow_inf_nan=False)]
Fraction = Annotated[float, BeforeValidator(no_flag), Field(ge=0, le=1, allow_inf_nan=False)]
Transform = Literal["original", "treverse", "r90", "r180", "r270"]
StandIn = Annotated[str, AfterValidator(names_what_it_replaces)]
GroupName = Literal["z3", "t2", "p43d"]
Triple = tuple[Extent, Extent, Extent]

Place = Callable[[str], str]  # a path of the registry with the file that says it


class Strict(BaseModel):
    """An entry that refuses unknown keys and is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Strict):
    """What every stage is told: which stage and key it is, and at which scale."""

    stage: str
    key: str
    scale: Scale
