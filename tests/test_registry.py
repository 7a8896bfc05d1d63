"""The registry: what params.yaml and the documents may say, and how a mistake in them is named."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import FILES, PROJECT, changed, edited, refusal, replaced
from reeltrace.errors import UserError
from reeltrace.kinds.table import cell_sources
from reeltrace.plan import Plan
from reeltrace.registry import fields
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import load, registry_of, spec_json

BASU = "documents/basu2021/experiments.yaml"


def broken(old: str, new: str, file: str | None = None) -> str:
    return refusal(registry_of, edited(old, new, file))


@pytest.mark.parametrize("scale", SCALES)
def test_the_projects_own_registry_is_valid_at_every_scale(scale: str) -> None:
    registry = registry_of(FILES, scale)  # type: ignore[arg-type]
    assert registry.scale == scale
    assert registry.used_runs() == list(registry.params.runs), "a run that no table needs"


def test_unknown_key_is_named_with_its_path() -> None:
    message = broken("    momentum: 0.9", "    momentun: 0.9")
    assert "protocols.dir-cnn4.momentun" in message
    assert "unknown key" in message


def test_missing_key_is_named_with_its_path() -> None:
    assert "protocols.dir-cnn4.gamma: missing" in broken("    gamma: 0.1\n", "")


@pytest.mark.parametrize(
    ("old", "new", "path", "found"),
    [
        ("epochs: 50", "epochs: -50", "protocols.dir-cnn4.epochs", "-50"),
        ("epochs: 50", "epochs: fifty", "protocols.dir-cnn4.epochs", "'fifty'"),
        ("epochs: 50", "epochs: 50.5", "protocols.dir-cnn4.epochs", "50.5"),
        ("batch_norm: true", "batch_norm: 1", "models.cnn4-z3.batch_norm", "1"),
        ("group: t2", "group: t3", "models.cnn4-t2.group", "'t3'"),
        ("probability: 0.3", "probability: 1.3", "runs.dir-cnn4-z3-aug.augment.probability", "1.3"),
        ("evaluation: [original, treverse]", "evaluation: [original, flip]", "runs.dir-cnn4-z3.evaluation.1", "'flip'"),
        ("learning_rate: 0.1", "learning_rate: .inf", "protocols.dir-cnn4.learning_rate: ", ".inf"),
        ("epochs: 50", "epochs: .nan", "protocols.dir-cnn4.epochs: ", ".nan"),
        ("seeds: {paper: [0, 1, 2]", "seeds: {paper: [0, 1:30]", "seeds.paper.1: ", "found 1:30"),
        ("batch_norm: true", "batch_norm: yes", "models.cnn4-z3.batch_norm: ", "write true"),
        ("seeds: {paper: [0, 1, 2]", "seeds: {paper: [0, 0]", "", "[0, 0]"),
        ("digit_size: 16", "digit_size: 66", "datasets.moving-mnist", "66"),
        ("milestones: [20, 40]", "milestones: [40, 20]", "protocols.dir-cnn4", "[40, 20]"),
        ("milestones: [20, 40]", "milestones: [20, 50]", "protocols.dir-cnn4", "50"),
        ("train: 0.6", "train: 0.9", "datasets.moving-mnist.image_split", "0.9"),
        ("device:\n", "device: 3\nxdevice:\n", "xdevice", "unknown key"),
        ("momentum: 0.9", "momentum: true", "protocols.dir-cnn4.momentum", "True"),
        ("learning_rate: 0.1", "learning_rate: 1.0e+300", "protocols.dir-cnn4.learning_rate", "1e+300"),
        ("threads: {paper: 8", "threads: {paper: 100000000000", "device.threads", "100000000000"),
        ("seed: 1\n", f"seed: {10**30}\n", "datasets.moving-mnist.seed", "1000"),
    ],
)
def test_wrong_type_or_impossible_value_says_where_and_what(old: str, new: str, path: str, found: str) -> None:
    message = broken(old, new)
    assert path in message
    assert found in message
    file = "params.yaml" if path.startswith(("device", "seeds", "xdevice")) or not path else BASU
    assert message.startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("old", "new", "name", "meant"),
    [
        (
            "dataset: moving-mnist-dir, model: cnn4-z3",
            "dataset: moving-mnist-di, model: cnn4-z3",
            "moving-mnist-di",
            "moving-mnist-dir",
        ),
        ("model: cnn4-z3, protocol", "model: cnn5-z3, protocol", "cnn5-z3", "cnn4-z3"),
        ("protocol: dir-cnn4, ev", "protocol: dir-cnn, ev", "dir-cnn", "dir-cnn4"),
        ("images: mnist", "images: mnist2", "mnist2", "mnist"),
        ("Z3CNN: dir-cnn4-z3", "Z3CNN: dir-cnn4-z4", "dir-cnn4-z4", "dir-cnn4-z3"),
        ("measurement: basu2021-cnn4", "measurement: basu2021-cnn5", "basu2021-cnn5", "basu2021-cnn4"),
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
    message = broken("columns: [original, treverse]\n    rows: {Z3CNN", "columns: [original, r90]\n    rows: {Z3CNN")
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
    listed = {override.path: override for override in registry.overrides("protocols.dir-cnn4")}
    epochs = listed["protocols.dir-cnn4.epochs"]
    assert epochs.document == 50
    assert epochs.here == registry.params.protocols["dir-cnn4"].epochs
    assert registry_of(FILES, "paper").report_spec().overrides == ()


def test_a_tables_overrides_are_those_of_its_runs() -> None:
    paths = [o.path for o in registry_of(FILES, "quick").aggregate_spec("basu2021-table3").overrides]
    assert any(path.startswith("datasets.moving-mnist-dir.") for path in paths)
    assert not any(path.startswith(("datasets.moving-mnist.", "protocols.digit-cnn4.")) for path in paths)


def test_the_documents_schedules() -> None:
    """basu2021, sections 4.4, 4.5 and 4.7."""
    protocols = registry_of(FILES, "paper").params.protocols
    cnn4 = protocols["dir-cnn4"]
    assert (cnn4.epochs, cnn4.learning_rate, cnn4.milestones, cnn4.gamma) == (50, 0.1, (20, 40), 0.1)
    resnet = protocols["dir-resnet18"]
    assert (resnet.epochs, resnet.learning_rate, resnet.milestones, resnet.gamma) == (100, 0.1, (25, 50, 75), 0.1)
    assert (protocols["digit-cnn4"].epochs, protocols["digit-resnet18"].epochs) == (100, 150)
    videos = {
        name: registry_of(FILES, "paper").params.datasets[name].videos for name in ("moving-mnist", "moving-mnist-dir")
    }
    assert (videos["moving-mnist"].train, videos["moving-mnist"].validation, videos["moving-mnist"].test) == (
        6000,
        1000,
        3000,
    )
    assert (videos["moving-mnist-dir"].train, videos["moving-mnist-dir"].validation) == (5000, 2000)
    assert videos["moving-mnist-dir"].test == 3000


def test_specs_survive_their_json() -> None:
    registry = registry_of(FILES, "smoke")
    spec = registry.train_spec("dir-resnet18-t2", 0)
    assert type(spec).model_validate(spec_json(spec)) == spec


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda c: st.lists(c, max_size=3)))
def test_any_value_in_place_of_a_protocol_is_refused_in_one_line(value: object) -> None:
    assert "protocols.dir-cnn4" in refusal(registry_of, changed(protocols={"dir-cnn4": value}))


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
    run = {"dataset": "ucf", "protocol": "dir-cnn4", "evaluation": ["original", "treverse"]}
    table = {
        "table": "7",
        "kind": "video-accuracy",
        "columns": {"UCF-101": {"dataset": "ucf", "transform": "treverse"}},
        "rows": {"Z3CNN": {"ucf": "ucf-z3"}, "T2CNN": {"ucf": "ucf-t2"}},
    }
    experiments = {
        "datasets": {"ucf": {**dataset, **changes}},
        "runs": {"ucf-z3": {**run, "model": "cnn4-z3"}, "ucf-t2": {**run, "model": "cnn4-t2"}},
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
    assert cells == {("Z3CNN", "UCF-101"): ("ucf-z3", "treverse"), ("T2CNN", "UCF-101"): ("ucf-t2", "treverse")}


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
    assert message == f"{MINE}: tables.mine-table7.rows.T2CNN: no run for dataset 'ucf'"


# --- tables of quantities ---


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("of: mahler2020-networks", "of: basu2021-cnn4", "measurements.mahler2020-latency.of", "mahler2020-networks"),
        ("views: {slowfast: inf", "views: {slowfost: inf", "mahler2020-latency.views.slowfost", "slowfast"),
        ("views: {slowfast: inference", "views: {slowfast: smol", "mahler2020-latency.views.slowfast", "small"),
        ("checkpoint: {}", "checkpoint: {slowfost: w.pt}", "mahler2020-latency.checkpoint.slowfost", "slowfast"),
        ("checkpoint: null #", "checkpoint: ~/w.pt #", "mahler2020-pictures.checkpoint", "`~` is not understood"),
        ("checkpoint: null #", "checkpoint: '' #", "mahler2020-pictures.checkpoint", "at least 1 character"),
        (
            "    network: slowfast\n",
            "    network: slowfost\n",
            "mahler2020-pictures.network",
            "no network is named 'slowfost'",
        ),
        ("    view: inference\n", "    view: inferense\n", "mahler2020-pictures.view", "no view is named 'inferense'"),
        ("    channels: 4 #", "    channels: 5 #", "mahler2020-pictures", "channels times frames is at most 36"),
        ("show: feature-maps", "show: feature-map", "mahler2020-pictures.figures.7.6", "feature-maps"),
        ("layers: [slow.0.0.conv, fast", "layers: [slow..conv, fast", "pictures.figures.7.4.layers.0", "slow..conv"),
        ("[slow.0.0.conv, fast.0.0.conv]", "[fast.0.0.conv, fast.0.0.conv]", "pictures.figures.7.4", "each layer once"),
        ("        factor: views\n", "        factor: viows\n", "mahler2020-table7-2.measured", "no row has the word"),
        (
            "{network: slowfast, views: 30}",
            "{network: slowfast, views: many}",
            "mahler2020-table7-2.measured",
            "'many'",
        ),
        ("beside: [mahler2020-networks,", "beside: [mahler2020-netwerks,", "tables.mahler2020-table7-2", "netwerks"),
        ("      RTX 8000: {operation", "      GFLOPS per view: {operation", "mahler2020-table7-2", "both measured and"),
        ("  mahler2020-table7-1:\n", "  mahler2020-table7:\n", "tables.mahler2020-table7", "mahler2020-table7-1"),
        ("  gavves-lecture5-c3d:", "  gavves-lecture5-c3-d:", "gavves-lecture5-c3-d", "gavves-lecture5-c3d"),
        ("crop: 256} # section 7.1.1", "crop: -1} # section 7.1.1", "networks.slowfast.views.inference.crop", "-1"),
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
        ("source: 5, target: 11", "source: 5, target: 105", "models.st-5-11-conv.connections.0.target"),
        ("kind: linear}]", "kind: curved}]", "models.st-5-11-conv.connections.0.kind"),
        ("update_after: 0.01", "update_after: 0", "update_after must be above 0"),
        ("update_after: 0.01", "update_after: 1.5", "protocols.st-adam-1.update_after"),
        (
            "block: block4, z_norm: false}",
            "block: block4, z_norm: false, units: 9}",
            "units belong to gru, and only to it",
        ),
        ("z_norm: false, units: 128", "z_norm: false", "units belong to gru, and only to it"),
        (", block: block4,", ", block: block5,", "models.block4-pool.block"),
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
        ("    initial: imagenet-resnet50", "    initial: finetuned-resnet50", "begins with itself"),
        ("    initial: imagenet-resnet50", "    initial: imagenet-resnet18", "found 'resnet50'; expected 'resnet18'"),
        ("    stills: {dataset: ucf101", "    stills: null #", "give one of the two"),
        ("    stills: {dataset: ucf101", "    stills: {dataset: moving-mnist", "no set of videos is named"),
        ("st-adam-1, every: 10", "st-adam-1", "runs.st-98-104.every: belongs to runs of an st-resnet"),
        ("model: block4-pool, protocol", "model: block4-pool, every: 2, protocol", "runs.block4-pool.every"),
        (
            "protocol: baseline, evaluation: [original]",
            "protocol: baseline, evaluation: [original, r90]",
            "evaluated on [original] only",
        ),
        (
            "dir-cnn4, evaluation: [original, treverse]}",
            "dir-cnn4, split: 2, evaluation: [original, treverse]}",
            "runs.dir-cnn4-z3.split: dataset 'moving-mnist-dir' has no official splits",
        ),
        ("time_unit: every 10th", "time_unit: every 11th", "time_unit names the row"),
        (
            "{z-norm: error, no z-norm: error}",
            "{z-norm: mistakes, no z-norm: error}",
            "tables.iqbal2017-table5-1.columns.z-norm",
        ),
        ("{z-norm: block4-pool-z, no", "{znorm: block4-pool-z, no", "no column is named 'znorm'"),
        ("ADAM 1 percent: st-98-104", "ADAM 1 percent: st-98", "no run is named 'st-98'"),
        ("layout: listed\n    folder: kinetics", "layout: listed", "folder names where a listed set lies"),
        ("layout: listed\n    folder", "layout: ucf101\n    folder", "folder names where a listed set lies"),
    ],
)
def test_a_mistake_about_nets_on_frames_is_named(old: str, new: str, words: str) -> None:
    assert words in broken(old, new)


def test_splits_and_stand_ins_of_a_run() -> None:
    registry = load(PROJECT, "quick")
    one, two = (registry.train_spec(run, 0) for run in ("st-98-104", "st-98-104-split-2"))
    assert one.video is not None and two.video is not None
    assert (one.video.split, two.video.split) == (1, 2)
    assert one.model_dump(exclude={"key", "run", "video"}) == two.model_dump(exclude={"key", "run", "video"})
    assert one.backbone is not None and one.video.normalise == one.backbone.normalise
    sentences = registry.aggregate_spec("singh2019supp-table1").stand_in
    assert list(sentences) == ["ucf101", "backbones.imagenet-resnet18"]
    assert [list(fields.replaced(str(sentence))) for sentence in sentences.values()] == [["Kinetics"], ["ImageNet"]]
    finetuned = registry.aggregate_spec("iqbal2017-table5-2").stand_in
    assert finetuned["backbones.finetuned-resnet50"] is None  # it begins with the weights of the other one
    assert "in place of ImageNet" in str(finetuned["backbones.imagenet-resnet50"])
    paper = load(PROJECT, "paper")
    for key in paper.params.tables:
        assert set(paper.aggregate_spec(key).stand_in.values()) <= {None}


def test_what_stands_in_for_two_sets_says_both() -> None:
    files = changed(runs={"rcn-random-random": {"stand_in": None}})
    said = registry_of(files, "quick").aggregate_spec("singh2019supp-table1").stand_in["ucf101"]
    assert sorted(fields.replaced(str(said))) == ["Kinetics", "UCF-101"]
