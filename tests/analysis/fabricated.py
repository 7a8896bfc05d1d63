"""A finished project made of invented but well-formed artifacts: every stage's files, without any training."""

import importlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conftest import write_files
from invented import DOCUMENTS, FILES
from reeltrace.analysis.readings import output as readings_output
from reeltrace.analysis.stage import outputs as aggregate_outputs
from reeltrace.analysis.timing import measured
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import ABOUT, BROKEN_VIDEOS, CLIPS, FRAMES, PREDICTIONS, SCORES, VIDEO_INDEX
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT, SPEC
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.artifacts.runs import CHECKPOINTS, CLIP_LABEL, LABEL, VIDEO, predicted, scores_for_dvc
from reeltrace.artifacts.video_sets import Row, about_set, count_frames
from reeltrace.kinds.datasets.moving_digits import MovingDigitsDataset
from reeltrace.kinds.datasets.videos import VideoDataset
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.measurements.equivariance import EquivarianceMeasurement, size_words
from reeltrace.kinds.measurements.latency import LatencyMeasurement
from reeltrace.kinds.measurements.networks import NetworksMeasurement
from reeltrace.kinds.measurements.pictures import PicturesMeasurement
from reeltrace.kinds.measurements.run_pictures import RunPicturesMeasurement
from reeltrace.kinds.measurements.search import SearchMeasurement
from reeltrace.kinds.measurements.structure import StructureMeasurement
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.fields import Spec
from reeltrace.registry.reading import Registry, load, spec_json

REPOSITORY = Path(__file__).parents[2]
CODE = "c0de" * 16
PER_CLASS = 8  # invented videos of a class, two of them on the test side of each split
BROKEN = "decord: no frame can be decoded; pyav: 0 frames of 40 packets"
BULK = 1_100_000  # bytes; more than `verify` hashes unless told to


def course(epochs: int, seed: int) -> list[dict[str, Any]]:
    """The lines of a history, of which the last but one is the best."""
    top1 = [round(98.0 - 80 * float(np.exp(-epoch / 2)) * (1 + seed / 10), 3) for epoch in range(1, epochs + 1)]
    if epochs > 1:
        top1[-1] = round(top1[-2] - 0.5, 3)
    return [
        {
            "epoch": epoch,
            "learning_rate": 0.1,
            "train_loss": 1 / epoch,
            "train_top1": 90.0,
            "validation_loss": 1 / epoch,
            "validation_top1": found,
        }
        for epoch, found in enumerate(top1, start=1)
    ]


def accuracy_of(run: str, transform: str) -> float:
    """The invented share of clips that a run classifies correctly: the document's trend."""
    if transform == "original":
        return 0.985
    if "aug" in run:
        return 0.95
    if "t2" in run or "p43d" in run:
        return 0.98
    return 0.02 if transform == "treverse" else 0.18


class Project:
    """A project root with the registry, the templates and results/<scale>/ in it; `documents` is where its texts lie.

    `counts` has, by network, the parameters and multiply-adds that its measurement gives.
    """

    def __init__(
        self,
        root: Path,
        scale: str = "quick",
        files: Mapping[str, str] = FILES,
        documents: Path = DOCUMENTS,
        counts: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.root, self.counts = root, counts or {}
        shutil.copytree(documents, root / "documents")
        shutil.copytree(REPOSITORY / "reports", root / "reports")
        write_files(root, files)
        self.registry: Registry = load(root, scale)  # type: ignore[arg-type]
        self.scale = scale
        self.plan = Plan(self.registry, REPOSITORY)

    @property
    def results(self) -> Path:
        return self.root / "results" / self.scale

    def folder(self, name: str) -> Path:
        return self.results / name

    def inputs_of(self, name: str) -> dict[str, Path]:
        """ "stage/key" -> folder of each input artifact."""
        return {other: self.folder(other) for other in self.plan[name].inputs}

    def video_sets(self) -> list[str]:
        sets = self.registry.params.datasets
        return [key for key in self.registry.used_datasets() if isinstance(sets[key], VideoDataset)]

    def train(self, run: str, seed: int) -> str:
        return f"train/{self.registry.train_key(run, seed)}"

    def finish(self, name: str, spec: Spec, files: Mapping[str, Any]) -> Path:
        """Write one artifact with the protocol's three files around `files`: text, bytes, tables with rows, or JSON."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / SPEC, spec_json(spec))
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                table, rows = content
                table.write(folder, rows)
            elif isinstance(content, str):
                (folder / file).write_text(content, encoding="utf-8")
            elif isinstance(content, bytes):
                (folder / file).write_bytes(content)
            elif isinstance(content, np.ndarray):
                np.save(folder / file, content)
            else:
                write_json(folder / file, content)
        self.seal(name)
        write_json(folder / RECEIPT, {"schema": 1, "duration_s": 1.5, "host": {"name": "somewhere"}, "git": None})
        return folder

    def seal(self, name: str) -> None:
        """(Re)write the manifest of an artifact from the files that lie there."""
        stage, _, key = name.partition("/")
        folder = self.folder(name)
        (folder / MANIFEST).unlink(missing_ok=True)
        write_json(folder / MANIFEST, make_manifest(folder, stage, key, CODE, self.inputs_of(name)))

    # --- stages ---

    def all(self) -> "Project":
        """Everything up to the report."""
        self.data()
        self.pretrained()
        for run in self.registry.used_runs():
            for seed in self.registry.params.seeds:
                self.trained(run, seed)
        self.measure()
        self.timed()
        for key in self.registry.params.tables:
            self.aggregate(key)
        self.report()
        return self

    def pretrained(self) -> None:
        """Backbones and features, of which only the manifests matter here."""
        for task in self.plan.of("pretrain"):
            files = {"about.json": {"schema": 1}, "weights.pt": b"weights", "history.jsonl": ""}
            self.finish(task.name, task.spec, {name: files[name] for name in task.outputs})
        for task in self.plan.of("features"):
            arrays = {f"block{block}.npy": np.zeros((3, 4), np.float16) for block in (2, 3, 4)}
            self.finish(task.name, task.spec, {"about.json": {"schema": 1}, **arrays})

    def timed(self) -> None:
        for task in self.plan.of("timing"):
            runs = [name.partition("/")[2] for name in task.inputs]
            times = {run: self.time_of(run, 10.0 + 5 * number) for number, run in enumerate(runs)}
            self.finish(task.name, task.spec, {"timing.json": {"schema": 1, "runs": times}})

    def time_of(self, run: str, seconds: float) -> dict[str, Any]:
        """The time of a run as its receipt says it, which is told to where it does not yet."""
        folder = self.folder(f"train/{run}")
        receipt = read_json(folder / RECEIPT)
        if "facts" not in receipt:
            facts = {"seconds_per_epoch": [seconds / 4] * 4, "resumed_after_epoch": None, "device": "a processor"}
            write_json(folder / RECEIPT, {**receipt, "facts": facts})
        return measured(folder)

    def data(self, keys: Sequence[str] | None = None) -> None:
        asked = self.registry.used_datasets() if keys is None else keys
        pools = [pool.name for key in asked for pool in self.registry.pools_of(key)]
        sets = self.registry.params.datasets
        shared = [name for name in pools if isinstance(sets.get(name), VideoDataset)]  # whose videos another set takes
        for key in dict.fromkeys([*shared, *sorted(asked, key=lambda name: len(self.registry.pools_of(name)))]):
            dataset = self.registry.params.datasets[key]
            if isinstance(dataset, VideoDataset):
                self.videos(key, dataset)
                continue
            assert isinstance(dataset, MovingDigitsDataset)
            pool = f"data/{dataset.images}"
            if not self.folder(pool).exists():
                arrays = {"labels.npy": np.arange(10, dtype=np.uint8), "images.npy": np.zeros((10, 8, 8), np.uint8)}
                self.finish(pool, self.registry.data_spec(dataset.images), {"about.json": {"schema": 1}, **arrays})
            labels = self.labels(key)
            classes = (
                [str(n) for n in range(10)]
                if dataset.task == "digit"
                else ["Horizontal", "Vertical", "Diagonal Left", "Diagonal Right"]
            )
            clips = np.zeros((len(labels), dataset.frames, dataset.size, dataset.size), np.uint8)
            size = dataset.digit_size // 2
            for t in range(dataset.frames):
                clips[:, t, 3 : 3 + 2 * size, t : t + 2] = 220
                clips[:, t, 3 : 3 + size // 2, t : t + size] = 255
            rows = [("test", i, label, classes[label], i, 3, 0, 0, 1) for i, label in enumerate(labels)]
            about = {"schema": 1, "classes": classes, "source": "invented digits", "images_sha256": "0" * 64}
            self.finish(
                f"data/{key}",
                self.registry.data_spec(key),
                {
                    "about.json": about,
                    "clips-test.npy": clips,
                    "clips-validation.npy": clips[:1],
                    CLIPS.name: (CLIPS, rows),
                    "clips-train.npy": np.zeros((1 + BULK // clips[0].size, *clips.shape[1:]), np.uint8),
                },
            )

    def videos(self, key: str, dataset: VideoDataset) -> None:
        """A set of videos and its frames. One test video of ucf101 is broken, every ninth video took PyAV."""
        rows = []
        for label in range(dataset.classes):
            for group in range(1, 1 + PER_CLASS):
                name = (
                    f"v_Action{label}_g{group:02d}_c01.avi" if dataset.layout == "ucf101" else f"a{label}_{group}.avi"
                )
                parent = f"UCF-101/Action{label}" if dataset.layout == "ucf101" else f"a{label}"
                sides = ["test" if group <= split * 2 and group > split * 2 - 2 else "train" for split in (1, 2, 3)]
                rows.append([f"{parent}/{name}", f"Action{label}", label, *sides, 4, "0" * 64])
        about = about_set(
            dataset.layout,
            f"invented videos in the layout of {dataset.layout}",
            "CC BY 2.0 (nobody's photographs)",
            f"A. Nobody, the set {key} that nobody recorded, 2021",
            [f"Action{label}" for label in range(dataset.classes)],
            [row[3:6] for row in rows],
            4 * len(rows),
        )
        files: dict[str, Any] = {ABOUT: about, VIDEO_INDEX.name: (VIDEO_INDEX, rows), "splits/list01.txt": "invented\n"}
        files |= {f"videos/{row[0]}": b"RIFF" for row in rows}
        if dataset.videos_of is not None:
            files = {name: files[name] for name in (ABOUT, VIDEO_INDEX.name)}
        self.finish(f"data/{key}", self.registry.data_spec(key), files)
        if key not in self.registry.used_datasets():
            return

        broken = [{"video": rows[1][0], "reason": BROKEN}] if key == "ucf101" else []
        height, width, shards = dataset.clip.crop + 2, dataset.clip.crop + 12, [b"", b""]
        stored: list[Row] = []
        for number, row in enumerate(rows):
            if broken and row[0] == broken[0]["video"]:
                continue
            frames = 10 + number % 5  # so that a shard is over 1 MB
            pixels = np.empty((frames, height, width, 3), np.uint8)
            pixels[..., 0] = np.linspace(40, 200, width)[None, None, :]
            pixels[..., 1] = np.linspace(90, 190, height)[None, :, None]
            pixels[..., 2] = 120
            for t in range(frames):
                pixels[t, 6 + t : 14 + t, 8 + 2 * t : 18 + 2 * t] = (250, 220, 40)
            shard = number * 2 // len(rows)
            # every ninth lacks a frame, but for the first: that one's header is wrong
            decoder, note = ("pyav", f"{frames + 1} frames were announced") if number % 9 == 0 else ("decord", "")
            expected = frames + (number % 9 == 0 and number > 0)
            stored.append(
                {
                    "video": row[0],
                    "shard": f"{shard:05d}.bin",
                    "offset": len(shards[shard]),
                    "frames": frames,
                    "height": height,
                    "width": width,
                    "decoder": decoder,
                    "fps": 25.0,
                    "note": note,
                    "expected": expected,
                }
            )
            shards[shard] += pixels.tobytes()
        counted = count_frames(stored, len(broken), ("decord", "pyav"))
        about = {"schema": 2, "short_side": dataset.short_side, "tolerance": 0.1, **counted}
        lines = [[row[name] for name in FRAMES.columns] for row in stored]
        files = {ABOUT: about, BROKEN_VIDEOS: broken, FRAMES.name: (FRAMES, lines)}
        files |= {f"shards/{number:05d}.bin": content for number, content in enumerate(shards)}
        self.finish(f"frames/{key}", self.registry.frames_spec(key), files)

    def video_labels(self, key: str, number: int | None = None) -> tuple[list[int], dict[str, int]]:
        """The labels of the test videos that could be decoded, and how the videos of the split are used."""
        split = f"split{number or self.registry.params.datasets[key].split}"  # type: ignore[union-attr]
        there = {row["video"] for row in FRAMES.read(self.folder(f"frames/{key}"))}
        rows = [row for row in VIDEO_INDEX.read(self.folder(f"data/{key}")) if row[split] != "unused"]
        labels = [int(row["label"]) for row in rows if row[split] == "test" and row["video"] in there]
        train = sum(row[split] == "train" and row["video"] in there for row in rows)
        held_out = train // PER_CLASS
        missing = sum(row["video"] not in there for row in rows)
        used = {"train": train - held_out, "validation": held_out, "test": len(labels), "missing": missing}
        return labels, used

    def labels(self, dataset: str) -> list[int]:
        entry = self.registry.params.datasets[dataset]
        if isinstance(entry, VideoDataset):
            return self.video_labels(dataset)[0]
        assert isinstance(entry, MovingDigitsDataset)
        classes = 10 if entry.task == "digit" else 4
        return [i % classes for i in range(entry.videos.test)]

    def trained(self, run: str, seed: int) -> None:
        spec = self.registry.train_spec(run, seed)
        split = None if spec.video is None else spec.video.split
        of = self.labels(spec.dataset) if split is None else self.video_labels(spec.dataset, split)[0]
        labels = np.array(of, np.int16)
        rng = np.random.default_rng(sum(map(ord, run)) + seed)
        arrays: dict[str, Any] = {LABEL: labels}
        metrics: dict[str, Any] = {"schema": 1, "model": {"parameters": 1000, "widths": [4, 8, 8, 8]}}
        metrics["arithmetic"] = {
            "asked": "auto",
            "precision": "bfloat16",
            "device": "cpu",
            "gpu": None,
            "processor": {"architecture": "x86_64", "features": ["avx2", "avx512_bf16"], "limits": {}},
        }
        if spec.video is not None:
            metrics["videos"] = self.video_labels(spec.dataset, split)[1]
            arrays[VIDEO] = np.repeat(np.arange(len(labels)), spec.video.test_clips).astype(np.int16)
            arrays[CLIP_LABEL] = labels[arrays[VIDEO]]
        lines = course(spec.protocol.epochs, seed)
        kept = {"best": lines[max(0, len(lines) - 2)], "last": lines[-1]}
        for checkpoint in CHECKPOINTS:
            test = {}
            for transform in spec.evaluation:
                wrong = rng.random(len(labels)) >= accuracy_of(run, transform)
                guess = np.where(wrong, (labels + 1) % spec.classes, labels).astype(np.int16)
                arrays[predicted(checkpoint, transform)] = guess
                test[transform] = score(int((guess == labels).sum()), len(labels))
                if spec.video is not None:
                    truth = arrays[CLIP_LABEL]
                    wrong = rng.random(len(truth)) >= accuracy_of(run, transform) - 0.1
                    guess = np.where(wrong, (truth + 1) % spec.classes, truth).astype(np.int16)
                    arrays[predicted(checkpoint, transform, clips=True)] = guess
                    test[transform]["clip"] = score(int((guess == truth).sum()), len(truth))
            line = kept[checkpoint]
            validation = {**score(98, 100), "top1": line["validation_top1"], "loss": line["validation_loss"]}
            clip = {} if spec.video is None else {"clip": score(270, 300)}
            metrics[checkpoint] = {"epoch": line["epoch"], "validation": {**validation, **clip}, "test": test}
        error = 3.2e-7 if "t2" in run or "p43d" in run else 1.27

        def agreement(checkpoint: str, transform: str) -> float:
            names = (predicted(checkpoint, t, clips=spec.video is not None) for t in (transform, "original"))
            after, before = (arrays[name] for name in names)
            return 100 * float((after == before).mean())

        metrics["equivariance"] = {
            checkpoint: {
                transform: {"relative_error": error, "agreement": agreement(checkpoint, transform)}
                for transform in spec.evaluation
                if transform != "original"
            }
            for checkpoint in CHECKPOINTS
        }
        history = "".join(json.dumps(line) + "\n" for line in lines)
        name = self.train(run, seed)
        self.folder(name).mkdir(parents=True, exist_ok=True)
        np.savez(self.folder(name) / PREDICTIONS, **arrays)
        if spec.model.architecture.startswith("rcn"):
            units = 2 * sum(getattr(spec.model, "blocks", (2, 2, 2, 2)))
            matrices = [rng.normal(0, 0.1, (4, 4)) + np.eye(4) for _ in range(units)]
            np.savez(self.folder(name) / "hidden.npz", **{f"{n:02}": m for n, m in enumerate(matrices, start=1)})
            metrics["hidden"] = [
                {
                    "mean": m.mean(),
                    "std": m.std(),
                    "diagonal_mean": m.diagonal().mean(),
                    "diagonal_std": m.diagonal().std(),
                }
                for m in matrices
            ]
        self.finish(
            name,
            spec,
            {
                "metrics.json": metrics,
                SCORES: scores_for_dvc(metrics, spec.evaluation),
                "history.jsonl": history,
                "best.pt": b"best",
                "last.pt": b"last",
            },
        )

    def measure(self) -> None:
        for key, asked in self.registry.params.measurements.items():
            if f"measure/{key}" not in self.plan.tasks:
                continue
            if isinstance(asked, PicturesMeasurement):
                self.pictures(key)
                continue
            if isinstance(asked, RunPicturesMeasurement):
                self.run_pictures(key, asked)
                continue
            if len(MEASUREMENTS.get(asked.kind).outputs) > 1:  # which run nothing where the user has named nothing
                folder = self.folder(f"measure/{key}")
                folder.mkdir(parents=True)
                spec = self.registry.measure_spec(key)
                importlib.import_module(MEASUREMENTS.get(asked.kind).stage).run(spec, {}, folder)
                self.finish(f"measure/{key}", spec, {})
                continue
            if not isinstance(asked, StructureMeasurement):
                metrics = {"schema": 1, **invented_metrics(self.registry, key, self.counts)}
                self.finish(f"measure/{key}", self.registry.measure_spec(key), {"metrics.json": metrics})
                continue
            nets = {}
            for net, order, w, parameters in (
                ("z3", 0, (64, 128), 687114),
                ("t2", 2, (45, 90), 676354),
                ("p43d", 4, (32, 64), 684490),
            ):
                maps: dict[str, Any] = {
                    layer: [order][: order // order if order else 0] + [size] * 3
                    for layer, size in zip(
                        ("conv1", "maxPool", "conv2", "conv3", "smoothing", "conv4", "adaptiveAvg"),
                        (32, 16, 16, 16, 8, 8, 1),
                        strict=True,
                    )
                }
                maps["groupPool"] = [1, 1, 1, 1] if order else None
                nets[net] = {
                    "classes": 4 if net == "t2" else 10,
                    "parameters": parameters,
                    "widths": [w[0], w[1], w[1], w[1]],
                    "feature_maps": maps,
                }
            thousands = {"z3": {"4": 686, "10": 687}, "t2": {"4": 676}, "p43d": {"10": 683}}
            setting = {"bias": True, "batch_norm": False, "rounding": "nearest", "thousands": thousands}
            search = {
                "printed": {"z3": 687, "t2": 676, "p43d": 683},
                "counts": [],
                "settings": [
                    {**setting, "classes": {"z3": [10], "t2": [4], "p43d": [10]}},
                    {**setting, "bias": False, "classes": {"z3": [], "t2": [4], "p43d": [10]}},
                ],
                "matches": [],
            }
            self.finish(
                f"measure/{key}",
                self.registry.measure_spec(key),
                {"metrics.json": {"schema": 1, "nets": nets, "search": search}},
            )

    def pictures(self, key: str) -> None:
        """Pictures of a checkpoint, which the real stage draws."""
        from reeltrace.measure.pictures_stage import run

        spec, folder = self.registry.measure_spec(key), self.folder(f"measure/{key}")
        folder.mkdir(parents=True)
        run(spec, {}, folder)
        self.finish(f"measure/{key}", spec, {})

    def run_pictures(self, key: str, asked: RunPicturesMeasurement) -> None:
        """Pictures of a net that was trained here, of one pixel each."""
        from reeltrace.measure.run_pictures import write_small_png

        folder = self.folder(f"measure/{key}")
        (folder / "pictures").mkdir(parents=True)
        figures = []
        for number, figure in sorted(asked.figures.items()):
            pictures = []
            for layer in figure.layers or ("input",):
                for transform in figure.transforms or (None,):
                    file = f"pictures/figure-{number}-{layer}-{transform}.png"
                    write_small_png(folder / file, np.full((1, 1, 2), 255, np.uint8))
                    about = {
                        "layer": layer,
                        "transform": transform,
                        "shape": [1, 1, 1, 1],
                        "channels": [0],
                        "frames": [0],
                    }
                    shades = {"black": 0.0, "white": 1.0, "size": [1, 1]}
                    pictures.append({**about, **shades, "file": file, "sha256": sha256_file(folder / file)})
            shown = figure.transforms if figure.show == "feature-maps" else ()
            answers = [{"transform": name, "class": "a", "answer": "b"} for name in shown]
            about = {"figure": number, "title": figure.title, "show": figure.show}
            figures.append({**about, "answers": answers, "pictures": pictures})
        metrics = {
            "schema": 1,
            "run": asked.run,
            "network": "cnn4",
            "checkpoint": {"sha256": "0" * 64, "bytes": 4},
            "clip": {"index": 0, "class": "a"},
            "figures": figures,
        }
        self.finish(f"measure/{key}", self.registry.measure_spec(key), {"metrics.json": metrics})

    def read(self) -> None:
        """The runs under readings, which tables need the others of, and what is found."""
        self.data(self.registry.used_datasets(self.registry.reading_runs()))
        for run in self.registry.reading_runs():
            for seed in self.registry.params.seeds:
                self.trained(run, seed)
        for document in self.registry.read_documents():
            spec, name = self.registry.reading_spec(document), f"reading/{document}"
            self.finish(name, spec, {"readings.json": readings_output(spec, self.inputs_of(name), self.root)})

    def aggregate(self, key: str) -> None:
        spec, name = self.registry.aggregate_spec(key), f"aggregate/{key}"
        self.finish(name, spec, aggregate_outputs(spec, self.inputs_of(name), self.root))

    def report(self) -> None:
        """The report; where it shows readings, these first."""
        if self.registry.params.readings:
            self.read()
        from reeltrace.report.document import build

        spec = self.registry.report_spec()
        built = build(spec, self.inputs_of("report/all"), self.root)
        self.finish("report/all", spec, {"report.html": built.html, "report.json": built.json})


def invented_metrics(
    registry: Registry, key: str, counts: Mapping[str, tuple[int, int]] | None = None
) -> dict[str, Any]:
    """What a measurement of whole networks, a search or a timing might write; `counts` as in `Project`."""
    asked = registry.params.measurements[key]
    if isinstance(asked, SearchMeasurement):
        printed = {name: net.parameters for name, net in asked.networks.items()}
        settings = {name: next(iter(labels)) for name, labels in asked.choices.items()}
        hit = {
            "settings": settings,
            "changed": ["classes"],
            "parameters": printed,
            "difference": dict.fromkeys(printed, 0),
        }
        given = {name: {"configuration": {}, "parameters": n - 7, "difference": 7} for name, n in printed.items()}
        choices = {name: list(labels) for name, labels in asked.choices.items()}
        search = {"printed": printed, "given": given, "choices": choices, "without_influence": [], "tried": 96}
        return {"search": {**search, "exact": [hit], "nearest": []}}
    if isinstance(asked, LatencyMeasurement):
        return {"networks": {name: invented_times(registry, asked, name) for name in asked.views}}
    if isinstance(asked, EquivarianceMeasurement):
        errors = {size_words(size): {"by_element": [0.5], "largest": 0.5} for size in asked.sizes}
        return {"clips": asked.clips, "nets": dict.fromkeys(asked.nets, errors)}
    if not isinstance(asked, NetworksMeasurement):
        first = {"type": "Convolution", "maps": 96, "size": "56 x 56", "kernel size": "11 x 11", "stride": 4}
        of_vgg = {name: {"parameters": 138_357_544, "layers": {"stage 1": "conv3-64"}} for name in "ABCDE"}
        return {"alexnet": {"rows": {"C1": first}}, "vgg": {"nets": of_vgg}}
    networks = {}
    for name, net in asked.networks.items():
        parameters, total = (counts or {}).get(name, (60_000_000, 72_212_156_416))
        sides = {f"ResStage{stage}": 2 ** max(0, stage - 2) for stage in range(1, 6)}
        views = {
            label: {
                "frames": view.frames,
                "crop": view.crop,
                "input": [[1, 3, view.frames, view.crop, view.crop]],
                "multiply_adds": total,
                "attention": 1000,
                "without_attention": total - 1000,
                "percent": {"slow": 92.0, "fast": 8.0} if net.architecture == "slowfast" else {"stages": 100.0},
                "stages": {
                    stage: {
                        "slow": [view.frames // 4] + [view.crop // 4 // side] * 2,
                        "fast": [view.frames] + [view.crop // 4 // side] * 2,
                    }
                    for stage, side in sides.items()
                },
            }
            for label, view in net.views.items()
        }
        kernels = {stage: {"slow": "1x7^2, 64", "fast": "5x7^2, 8"} for stage in sides}
        networks[name] = {
            "architecture": net.architecture,
            "configuration": dict(net.config),
            "parameters": parameters,
            "kernels": kernels,
            "views": views,
        }
    return {"networks": networks}


def invented_times(registry: Registry, asked: LatencyMeasurement, name: str) -> dict[str, Any]:
    of = registry.params.measurements[asked.of]
    assert isinstance(of, NetworksMeasurement)
    view = of.networks[name].views[asked.views[name]]
    seconds = [2.5, 2.25, 3.0]
    found = {
        precision: {
            "seconds": {"median": 2.5, "fastest": 2.25, "slowest": 3.0, "all": seconds},
            "views_per_second": 0.4,
            "process_bytes": {"before": 900_000_000, "peak": 2_345_000_000 + len(name) * 10**6},
            "gpu_bytes": None,
            "device": "a processor of nobody",
            "kind": "cpu",
            "precision": precision,
            "threads": asked.threads,
            "warm_up": asked.warm_up,
            "repeats": len(seconds),
        }
        for precision in asked.precisions
    }
    shape = [1, 3, view.frames, view.crop, view.crop]
    return {"view": asked.views[name], "input": [shape], "checkpoint": None, **found}


def score(correct: int, total: int) -> dict[str, Any]:
    return {"correct": correct, "total": total, "top1": 100 * correct / total, "loss": 0.5}
