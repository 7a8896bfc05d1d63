"""Sets of encoded videos: UCF-101, HMDB-51 (basu2021, section 4.8), stand-ins for them, and folders of the user's."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from reeltrace.artifacts.formats import ABOUT, SPLITS, VIDEO_INDEX, VIDEOS
from reeltrace.kinds.dataset import (
    Check,
    Clips,
    DatasetEntry,
    DatasetKind,
    DataSpec,
    Decoded,
    Making,
    Pool,
    Shown,
    Trained,
)
from reeltrace.kinds.words import span
from reeltrace.registry.datasets import Clip, Normalise, VideoView
from reeltrace.registry.fields import Count, Frames, Name, Pixels, PositiveInt, Seed, StandIn, Strict, no_flag
from reeltrace.registry.needs import Need

CHANNELS = 3


class Generated(Strict):
    """A stand-in set that is drawn and encoded here: groups (actor and background), and clips per class and group."""

    groups: PositiveInt
    clips_per_group: PositiveInt
    frames: tuple[Frames, Frames]
    seed: Seed

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.frames[0] > self.frames[1]:
            raise ValueError(f"frames must be [fewest, most], found {list(self.frames)}")
        return self


class VideoDataset(DatasetEntry):
    """UCF-101 or HMDB-51 (basu2021, section 4.8), a stand-in set in the same layout, or a folder that the user names.

    `folder` belongs to the layout `listed`: it holds the videos and the lists of them, see docs/videos.md. `classes` is
    how many the set must have. `generated` is null for the official files. Frames are stored with their short side at
    `short_side` pixels. `split` is one of the three official ones; of its training groups the fraction `validation` is
    held out. A test video is judged by the mean probability over `test_clips` clips. `broken_videos` says how many
    unreadable videos a training may do without.

    `videos_of` names another set, whose videos these are: they are neither fetched nor drawn again, and only their
    frames are stored anew, at this set's own size.
    """

    kind: Literal["videos"]
    layout: Literal["ucf101", "hmdb51", "listed"]
    folder: Annotated[str, Field(min_length=1)] | None = None
    classes: Annotated[int, Field(ge=2, le=10**4, strict=True)]
    stand_in: StandIn | None
    generated: Generated | None
    short_side: Pixels
    split: Literal[1, 2, 3]
    validation: Annotated[float, BeforeValidator(no_flag), Field(gt=0, lt=1, allow_inf_nan=False)]
    clip: Clip
    test_clips: Annotated[int, Field(ge=1, le=1000, strict=True)]
    normalise: Normalise
    broken_videos: Count
    videos_of: Name | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.clip.crop > self.short_side:
            raise ValueError(f"clip.crop {self.clip.crop} is larger than short_side {self.short_side}")
        if (self.generated is None) != (self.stand_in is None):
            raise ValueError("stand_in says what `generated` stands in for; give both or neither")
        if (self.layout == "listed") != (self.folder is not None):
            raise ValueError("folder names where a listed set lies; give it with the layout `listed`, and only there")
        if self.layout == "listed" and (self.generated is not None or self.split != 1):
            raise ValueError("a listed set is not generated and has one split; set generated to null and split to 1")
        return self


class VideosSpec(DataSpec):
    """Stage `data`: the videos and official splits of a set, downloaded and unpacked, or generated."""

    kind: Literal["videos"]
    layout: Literal["ucf101", "hmdb51", "listed"]
    folder: str | None = None
    classes: int
    generated: Generated | None
    videos_of: str | None = None


OFFICIAL = Making("reeltrace.data.videos_stage", (ABOUT, VIDEO_INDEX.name, f"{SPLITS}/", f"{VIDEOS}/"))
LISTED = Making("reeltrace.data.listed_stage", (ABOUT, VIDEO_INDEX.name))
SHARED = Making("reeltrace.data.shared_stage", (ABOUT, VIDEO_INDEX.name))
OF_THE_VIDEOS = ("layout", "folder", "classes", "stand_in", "generated")  # and not of how they are stored and cut


def _making(spec: VideosSpec) -> Making:
    if spec.videos_of is not None:
        return SHARED
    return OFFICIAL if spec.folder is None else LISTED


def _pools(entry: VideoDataset) -> tuple[Pool, ...]:
    if entry.videos_of is None:
        return ()
    return (Pool(entry.videos_of, "videos_of", "set of videos of its own", "videos", OF_THE_VIDEOS),)


def _clips(entry: VideoDataset) -> Clips:
    return Clips(entry.clip.frames, entry.clip.size, None)


def _stored(entry: VideoDataset) -> Need | None:
    """Of the frames; of the official files and the user's nobody knows them before."""
    if (made := entry.generated) is None:
        return None
    videos, frames, side = entry.classes * made.groups * made.clips_per_group, made.frames[0], entry.short_side
    what = f"{videos} videos of {frames} frames of {side} x {side} pixels"
    return Need(videos * frames * side * side * CHANNELS, what, "generated or short_side")


def _view(entry: VideoDataset) -> VideoView:
    return VideoView(**{name: getattr(entry, name) for name in VideoView.model_fields})


def _words(spec: Mapping[str, Any]) -> dict[str, str]:
    drawn = spec["generated"]
    if spec.get("videos_of") is not None:  # an artifact from before there was the key has none
        return {"layout": f"{spec['layout']}, {spec['classes']} classes", "files": f"those of {spec['videos_of']}"}
    return {
        "layout": f"{spec['layout']}, {spec['classes']} classes",
        "files": "official"
        if drawn is None
        else (
            f"drawn here: {drawn['groups']} groups, {drawn['clips_per_group']} clip(s) of each in every class, "
            f"{span(*drawn['frames'])} frames, seed {drawn['seed']}"
        ),
    }


KIND = DatasetKind(
    name="videos",
    params=VideoDataset,
    spec=VideosSpec,
    makings=(OFFICIAL, LISTED, SHARED),
    making=_making,
    weight=20,
    words=_words,
    check=Check(VIDEO_INDEX.name, "reeltrace.verify.videos:sides"),
    trained=Trained(
        drawn_from=_pools,
        classes=lambda entry: entry.classes,
        stand_in=lambda entry: entry.stand_in,
        clips=_clips,
        stored=_stored,
        decoded=Decoded(
            short_side=lambda entry: entry.short_side,
            folder=lambda entry: entry.folder,
            small=lambda entry: entry.generated is not None,
            view=_view,
        ),
        splits="reeltrace.data.clips:open_splits",
        shown=Shown("reeltrace.report.videos:describe_set", "macros.html.j2:clip_of_video"),
        check="reeltrace.verify.videos:used",
    ),
)
