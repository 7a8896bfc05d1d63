"""The types of single values in the registry, and the strictness that all entries share."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Scale = Literal["paper", "quick", "smoke"]
SCALES: tuple[Scale, ...] = ("paper", "quick", "smoke")


def no_flag(value: Any) -> Any:
    """Refuse true and false where a number is meant."""
    if isinstance(value, bool):
        raise ValueError(f"a number, not {str(value).lower()}")
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
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
GroupName = Literal["z3", "t2", "p43d"]
Triple = tuple[Extent, Extent, Extent]

Place = Callable[[str], str]  # a path of the registry with the file that says it


class Strict(BaseModel):
    """An entry that refuses unknown keys and is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
