"""The registry: what params.yaml and the documents may say, and how a mistake in them is named."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import PROJECT, refusal, replaced
from invented import FILES, changed, edited
from reeltrace.errors import UserError
from reeltrace.kinds.table import cell_sources
from reeltrace.pipeline.plan import Plan
from reeltrace.registry import fields
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import load, registry_of, spec_json

EXPERIMENTS = "documents/nobody2024/experiments.yaml"


def broken(old: str, new: str, file: str | None = None) -> str:
    return refusal(registry_of, edited(old, new, file))


@pytest.mark.parametrize("scale", SCALES)
def test_the_projects_own_registry_is_valid_at_every_scale(scale: str) -> None:
    registry = load(PROJECT, scale)  # type: ignore[arg-type]
    assert registry.scale == scale
    needed = [*registry.used_runs(), *registry.reading_runs()]
    assert needed == list(registry.params.runs), "a run that no table needs"


def test_unknown_key_is_named_with_its_path() -> None:
    message = broken("    momentum: 0.9", "    momentun: 0.9")
    assert "protocols.drift.momentun" in message
    assert "unknown key" in message


def test_missing_key_is_named_with_its_path() -> None:
    assert "protocols.drift.gamma: missing" in broken("    gamma: 0.1\n", "")


@pytest.mark.parametrize(
    ("old", "new", "path", "found"),
    [
        ("epochs: 50", "epochs: -50", "protocols.drift.epochs", "-50"),
        ("epochs: 50", "epochs: fifty", "protocols.drift.epochs", "'fifty'"),
        ("epochs: 50", "epochs: 50.5", "protocols.drift.epochs", "50.5"),
        ("batch_norm: true", "batch_norm: 1", "models.plain-net.batch_norm", "1"),
        ("group: t2", "group: t3", "models.time-net.group", "'t3'"),
        ("probability: 0.3", "probability: 1.3", "runs.drift-plain-aug.augment.probability", "1.3"),
        ("evaluation: [original, treverse]", "evaluation: [original, flip]", "runs.drift-plain.evaluation.1", "'flip'"),
        ("learning_rate: 0.1", "learning_rate: .inf", "protocols.drift.learning_rate: ", ".inf"),
        ("epochs: 50", "epochs: .nan", "protocols.drift.epochs: ", ".nan"),
        ("seeds: {paper: [0, 1, 2]", "seeds: {paper: [0, 1:30]", "seeds.paper.1: ", "found 1:30"),
        ("batch_norm: true", "batch_norm: yes", "models.plain-net.batch_norm: ", "write true"),
        ("seeds: {paper: [0, 1, 2]", "seeds: {paper: [0, 0]", "", "[0, 0]"),
        ("digit_size: 16", "digit_size: 66", "datasets.spinning-digits", "66"),
        ("milestones: [20, 40]", "milestones: [40, 20]", "protocols.drift", "[40, 20]"),
        ("milestones: [20, 40]", "milestones: [20, 50]", "protocols.drift", "50"),
        ("train: 0.6", "train: 0.9", "datasets.spinning-digits.image_split", "0.9"),
        ("device:\n", "device: 3\nxdevice:\n", "xdevice", "unknown key"),
        ("momentum: 0.9", "momentum: true", "protocols.drift.momentum", "True"),
        ("learning_rate: 0.1", "learning_rate: 1.0e+300", "protocols.drift.learning_rate", "1e+300"),
        ("threads: {paper: 8", "threads: {paper: 100000000000", "device.threads", "100000000000"),
        ("seed: 1\n", f"seed: {10**30}\n", "datasets.spinning-digits.seed", "1000"),
    ],
)
def test_wrong_type_or_impossible_value_says_where_and_what(old: str, new: str, path: str, found: str) -> None:
    message = broken(old, new)
    assert path in message
    assert found in message
    file = "params.yaml" if path.startswith(("device", "seeds", "xdevice")) or not path else EXPERIMENTS
    assert message.startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("old", "new", "name", "meant"),
    [
        (
            "dataset: drifting-digits, model: plain-net",
            "dataset: drifting-digit, model: plain-net",
            "drifting-digit",
            "drifting-digits",
        ),
        ("model: plain-net, protocol", "model: plane-net, protocol", "plane-net", "plain-net"),
        ("protocol: drift, ev", "protocol: drif, ev", "drif", "drift"),
        ("images: mnist", "images: mnist2", "mnist2", "mnist"),
        ("plain: drift-plain", "plain: drift-plane", "drift-plane", "drift-plain"),
        (
            "measurement: nobody2024-structure",
            "measurement: nobody2024-structur",
            "nobody2024-structur",
            "nobody2024-structure",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_what_may_be_meant(
    old: str, new: str, name: str, meant: str
) -> None:
    """Of many names the nearest: all of them would fill the screen."""
    message = broken(old, new)
    assert repr(name) in message
    assert meant in message.partition(repr(name))[2]
    assert len(message) < 400


def test_a_table_column_that_its_run_does_not_evaluate_is_refused() -> None:
    message = broken("columns: [original, treverse]\n    rows: {plain", "columns: [original, r90]\n    rows: {plain")
    assert "does not evaluate 'r90'" in message


def test_a_mistake_in_the_papers_value_shows_at_the_quick_scale_too() -> None:
    assert "scale: quick" in FILES["params.yaml"]
    assert "(scale paper)" in broken("epochs: 50", "epochs: 0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "scale: [",
        "scale: huge",
        "scale: quick\nscale: paper",
        "\x00",
        "a: !!python/object:os.x {}",
        "? [a, b]\n: 1",
        "{a: 1}: 2",
        "a: &a [*a]",
        "a: " + "9" * 5000,
        "a: " + "[" * 3000,
        "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]),
        "scale: quick\ntables: {}",
    ],
)
def test_text_that_is_no_registry_is_refused_in_one_line(text: str) -> None:
    refusal(registry_of, {**FILES, "params.yaml": text})


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not found"):
        load(tmp_path)


def test_every_departure_from_the_document_is_listed() -> None:
    registry = registry_of(FILES, "quick")
    listed = {override.path: override for override in registry.overrides("protocols.drift")}
    epochs = listed["protocols.drift.epochs"]
    assert epochs.document == 50
    assert epochs.here == registry.params.protocols["drift"].epochs
    assert registry_of(FILES, "paper").report_spec().overrides == ()


def test_a_tables_overrides_are_those_of_its_runs() -> None:
    paths = [o.path for o in registry_of(FILES, "quick").aggregate_spec("nobody2024-table3").overrides]
    assert any(path.startswith("datasets.drifting-digits.") for path in paths)
    assert not any(path.startswith(("datasets.spinning-digits.", "protocols.spin.")) for path in paths)


def test_specs_survive_their_json() -> None:
    registry = registry_of(FILES, "smoke")
    spec = registry.train_spec("drift-deep-t2", 0)
    assert type(spec).model_validate(spec_json(spec)) == spec


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda c: st.lists(c, max_size=3)))
def test_any_value_in_place_of_a_protocol_is_refused_in_one_line(value: object) -> None:
    assert "protocols.drift" in refusal(registry_of, changed(protocols={"drift": value}))


# --- sets of videos ---


MINE = "documents/mine/experiments.yaml"


def with_videos(**changes: object) -> dict[str, str]:
    """The project's registry with a document more: a set of videos, two runs on it and a table over it."""
    dataset = {
        "kind": "videos",
        "layout": "ucf101",
        "classes": 101,
        "stand_in": None,
        "generated": None,
        "short_side": 32,
        "split": 1,
        "validation": 0.1,
        "clip": {"frames": 8, "stride": 2, "crop": 28, "size": 28, "place": "center"},
        "test_clips": 3,
        "normalise": {"mean": [0.4, 0.4, 0.4], "std": [0.25, 0.25, 0.25]},
        "broken_videos": 0,
    }
    run = {"dataset": "ucf", "protocol": "drift", "evaluation": ["original", "treverse"]}
    table = {
        "table": "7",
        "kind": "video-accuracy",
        "columns": {"UCF-101": {"dataset": "ucf", "transform": "treverse"}},
        "rows": {"plain": {"ucf": "ucf-z3"}, "time": {"ucf": "ucf-t2"}},
    }
    experiments = {
        "datasets": {"ucf": {**dataset, **changes}},
        "runs": {"ucf-z3": {**run, "model": "plain-net"}, "ucf-t2": {**run, "model": "time-net"}},
        "tables": {"mine-table7": table},
    }
    drawn = {"groups": 9, "clips_per_group": 1, "frames": [12, 16], "seed": 1}
    quick = {
        "datasets": {"ucf": {"classes": 10, "stand_in": "ten drawn classes in place of UCF-101", "generated": drawn}}
    }
    return {
        **FILES,
        "documents/mine/document.yaml": 'title: Mine\nauthor: me\nyear: "2026"\nvenue: here\n',
        "documents/mine/experiments.yaml": yaml.safe_dump(experiments),
        "documents/mine/quick.yaml": yaml.safe_dump(quick),
    }


def test_a_table_over_datasets_names_the_source_of_each_cell() -> None:
    table = registry_of(with_videos(), "quick").params.tables["mine-table7"]
    cells = {(c.row, c.column): (c.run, c.transform) for c in cell_sources(table)}
    assert cells == {("plain", "UCF-101"): ("ucf-z3", "treverse"), ("time", "UCF-101"): ("ucf-t2", "treverse")}


def test_a_set_of_videos_is_decoded_once_and_trained_from_its_frames() -> None:
    registry = registry_of(with_videos(), "quick")
    plan = Plan(registry, PROJECT)
    assert plan["data/ucf"].inputs == ()
    assert plan["frames/ucf"].inputs == ("data/ucf",)
    assert plan["train/ucf-z3-s0"].inputs == ("data/ucf", "frames/ucf")
    assert "frames/ucf" in plan["report/all"].inputs
    spec = registry.train_spec("ucf-z3", 0)
    assert spec.classes == 10
    assert spec.video is not None
    assert spec.video.clip.frames == 8
    assert registry_of(with_videos(), "paper").train_spec("ucf-z3", 0).classes == 101


def test_another_split_does_not_touch_the_frames() -> None:
    one, two = (registry_of(with_videos(split=split), "quick") for split in (1, 2))
    assert one.frames_spec("ucf") == two.frames_spec("ucf")
    assert one.data_spec("ucf") == two.data_spec("ucf")
    assert one.train_spec("ucf-z3", 0) != two.train_spec("ucf-z3", 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": 4}, "datasets.ucf.split"),
        ({"validation": 1.5}, "datasets.ucf.validation"),
        (
            {"clip": {"frames": 8, "stride": 2, "crop": 33, "size": 33, "place": "center"}},
            "clip.crop 33 is larger than short_side 32",
        ),
        ({"clip": {"frames": 8, "stride": 2, "crop": 28, "size": 29, "place": "center"}}, "larger than crop 28"),
        ({"clip": {"frames": 8, "stride": 2, "crop": 28, "size": 28, "place": "left"}}, "datasets.ucf.clip.place"),
        ({"normalise": {"mean": [0.4, 0.4, 0.4], "std": [0.25, 0, 0.25]}}, "datasets.ucf.normalise.std.1"),
        ({"classes": 1}, "datasets.ucf.classes"),
        ({"stand_in": "drawn clips in place of UCF-101"}, "give both or neither"),
        ({"stand_in": "ten drawn classes"}, "drawn clips in place of UCF-101"),
        ({"layout": "ucf50"}, "datasets.ucf.layout"),
        ({"broken_videos": -1}, "datasets.ucf.broken_videos"),
    ],
)
def test_impossible_video_settings_are_refused(changes: dict[str, object], said: str) -> None:
    assert said in refusal(registry_of, with_videos(**changes))


def test_a_row_without_a_run_for_a_dataset_is_refused() -> None:
    files = with_videos()
    files[MINE] = replaced(files[MINE], "ucf: ucf-t2", "hmdb: ucf-t2")
    message = refusal(registry_of, files)
    assert message == f"{MINE}: tables.mine-table7.rows.time: no run for dataset 'ucf'"


# --- tables of quantities ---


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        (
            "of: nobody2024-networks",
            "of: nobody2024-structure",
            "measurements.nobody2024-latency.of",
            "nobody2024-networks",
        ),
        ("views: {two-speeds: inf", "views: {two-speds: inf", "nobody2024-latency.views.two-speds", "two-speeds"),
        ("views: {two-speeds: inference", "views: {two-speeds: smol", "nobody2024-latency.views.two-speeds", "small"),
        ("checkpoint: {}", "checkpoint: {two-speds: w.pt}", "nobody2024-latency.checkpoint.two-speds", "two-speeds"),
        ("checkpoint: null #", "checkpoint: ~/w.pt #", "nobody2024-pictures.checkpoint", "`~` is not understood"),
        ("checkpoint: null #", "checkpoint: '' #", "nobody2024-pictures.checkpoint", "at least 1 character"),
        (
            "    network: two-speeds\n",
            "    network: two-speds\n",
            "nobody2024-pictures.network",
            "no network is named 'two-speds'",
        ),
        ("    view: inference\n", "    view: inferense\n", "nobody2024-pictures.view", "no view is named 'inferense'"),
        ("    channels: 4 #", "    channels: 5 #", "nobody2024-pictures", "channels times frames is at most 36"),
        ("show: feature-maps", "show: feature-map", "nobody2024-pictures.figures.5", "feature-maps"),
        ("layers: [slow.0.0.conv, fast", "layers: [slow..conv, fast", "pictures.figures.4.layers.0", "slow..conv"),
        ("[slow.0.0.conv, fast.0.0.conv]", "[fast.0.0.conv, fast.0.0.conv]", "pictures.figures.4", "each layer once"),
        ("        factor: views\n", "        factor: viows\n", "nobody2024-a2.measured", "no row has the word"),
        (
            "{network: two-speeds, views: 30}",
            "{network: two-speeds, views: many}",
            "nobody2024-a2.measured",
            "'many'",
        ),
        ("beside: [nobody2024-networks,", "beside: [nobody2024-netwerks,", "tables.nobody2024-a2", "netwerks"),
        ("      on a Beta: {operation", "      cost of a view: {operation", "nobody2024-a2", "both measured and"),
        ("  nobody2024-a1:\n", "  nobody2024-a:\n", "tables.nobody2024-a", "nobody2024-a1"),
        (
            "  someone2025-beginnings:",
            "  someone2025-begin-nings:",
            "someone2025-begin-nings",
            "someone2025-beginnings",
        ),
        ("crop: 64} # section 3", "crop: -1} # section 3", "networks.two-speeds.views.inference.crop", "-1"),
    ],
)
def test_a_mistake_in_a_table_of_quantities_is_named(old: str, new: str, path: str, words: str) -> None:
    message = broken(old, new)
    assert path in message and words in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("frames: 2\n    connections", "frames: 3\n    connections", "no chain of connections reaches back 3 frames"),
        ("source: 5, target: 11", "source: 11, target: 5", "leads to a later layer, found 11 to 5"),
        ("source: 5, target: 11", "source: 5, target: 105", "models.early-net.connections.0.target"),
        ("kind: linear}]", "kind: curved}]", "models.early-net.connections.0.kind"),
        ("update_after: 0.01", "update_after: 0", "update_after must be above 0"),
        ("update_after: 0.01", "update_after: 1.5", "protocols.joined-adam.update_after"),
        (
            "block: block4, z_norm: false}",
            "block: block4, z_norm: false, units: 9}",
            "units belong to gru, and only to it",
        ),
        ("z_norm: false, units: 128", "z_norm: false", "units belong to gru, and only to it"),
        (", block: block4,", ", block: block5,", "models.mean-net.block"),
        (
            "architecture: gru, backbone: imagenet-resnet50",
            "architecture: gru, backbone: nowhere",
            "no backbone is named",
        ),
        (
            "architecture: rcn, backbone: imagenet-resnet18",
            "architecture: rcn, backbone: imagenet-resnet50",
            "'imagenet-resnet50' is a resnet50; rcn needs a resnet18",
        ),
        ("    initial: imagenet-resnet50", "    initial: tuned-resnet50", "begins with itself"),
        ("    initial: imagenet-resnet50", "    initial: imagenet-resnet18", "found 'resnet50'; expected 'resnet18'"),
        ("    stills: {dataset: ucf101", "    stills: null #", "give one of the two"),
        ("    stills: {dataset: ucf101", "    stills: {dataset: spinning-digits", "no set of videos is named"),
        ("joined-adam, every: 10", "joined-adam", "runs.joined.every: belongs to runs of an st-resnet"),
        ("model: mean-net, protocol", "model: mean-net, every: 2, protocol", "runs.mean-net.every"),
        (
            "protocol: features, evaluation: [original]",
            "protocol: features, evaluation: [original, r90]",
            "evaluated on [original] only",
        ),
        (
            "drift, evaluation: [original, treverse]}",
            "drift, split: 2, evaluation: [original, treverse]}",
            "runs.drift-plain.split: dataset 'drifting-digits' has no official splits",
        ),
        ("time_unit: one in ten", "time_unit: one in eleven", "time_unit names the row"),
        (
            "{scaled: error, as they are: error}",
            "{scaled: mistakes, as they are: error}",
            "tables.someone2025-table1-1.columns.scaled",
        ),
        ("{scaled: mean-net-z, as", "{scald: mean-net-z, as", "no column is named 'scald'"),
        ("slow steps: joined", "slow steps: join", "no run is named 'join'"),
        ("layout: listed\n    folder: streets", "layout: listed", "folder names where a listed set lies"),
        ("layout: listed\n    folder", "layout: ucf101\n    folder", "folder names where a listed set lies"),
    ],
)
def test_a_mistake_about_nets_on_frames_is_named(old: str, new: str, words: str) -> None:
    assert words in broken(old, new)


def test_splits_and_stand_ins_of_a_run() -> None:
    registry = registry_of(FILES, "quick")
    one, two = (registry.train_spec(run, 0) for run in ("joined", "joined-split-2"))
    assert one.video is not None and two.video is not None
    assert (one.video.split, two.video.split) == (1, 2)
    assert one.model_dump(exclude={"key", "run", "video"}) == two.model_dump(exclude={"key", "run", "video"})
    assert one.backbone is not None and one.video.normalise == one.backbone.normalise
    sentences = registry.aggregate_spec("someone2025-beginnings").stand_in
    assert list(sentences) == ["ucf101", "backbones.imagenet-resnet18"]
    assert [list(fields.replaced(str(sentence))) for sentence in sentences.values()] == [["Streets"], ["ImageNet"]]
    finetuned = registry.aggregate_spec("someone2025-table1-2").stand_in
    assert finetuned["backbones.tuned-resnet50"] is None  # it begins with the weights of the other one
    assert "in place of ImageNet" in str(finetuned["backbones.imagenet-resnet50"])
    paper = load(PROJECT, "paper")
    for key in paper.params.tables:
        assert set(paper.aggregate_spec(key).stand_in.values()) <= {None}


def test_what_stands_in_for_two_sets_says_both() -> None:
    files = changed(runs={"carry-plain": {"stand_in": None}})
    said = registry_of(files, "quick").aggregate_spec("someone2025-beginnings").stand_in["ucf101"]
    assert sorted(fields.replaced(str(said))) == ["Streets", "UCF-101"]
