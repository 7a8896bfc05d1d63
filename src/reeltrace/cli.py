"""The command line: every command of `reeltrace`.

Errors are one line; exit 2 for bad input, 1 for a failed check, and 75 where the time given to `reproduce` is over.
"""

from reeltrace.pipeline import early  # noqa: F401  # a signal is met from here on

# isort: split
import contextlib
import gc
import io
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from reeltrace.artifacts.files import reason_of
from reeltrace.artifacts.formats import HTML, JSON
from reeltrace.artifacts.names import MANIFEST
from reeltrace.errors import CheckFailed, UserError
from reeltrace.machine import processor, variables
from reeltrace.machine.memory import LOADING, MemoryShort, speaks_of_memory, too_little_memory
from reeltrace.pipeline import warm

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Re-run published video action recognition experiments, and trace every reported number to its artifact.",
)
ROOT = Path()
FEW = 8  # tables that `status` lists one by one, whatever their state
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"reeltrace {version('reeltrace')}")
        raise typer.Exit


@app.callback()
def _before_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    variables.check()
    processor.check_limits()


@app.command()
def run(
    stage: Annotated[
        str,
        typer.Argument(help="data, frames, pretrain, features, measure, train, timing, aggregate, reading or report"),
    ],
    key: Annotated[str, typer.Argument(help="the key of the artifact, as `reeltrace status` lists it")],
    scale: Annotated[str | None, typer.Option("--scale", help="Another scale than params.yaml names.")] = None,
) -> None:
    """Run one stage for one key: the leaf command that both engines call."""
    from reeltrace.analysis.cross_checks import check_texts
    from reeltrace.pipeline.engines import refuse_outdated_dvc, refuse_unrecordable_results
    from reeltrace.pipeline.leaf import run as run_stage
    from reeltrace.pipeline.plan import load_plan, scale_named

    asked = None if scale is None else scale_named(scale)
    plan = load_plan(ROOT, asked)
    refuse_outdated_dvc(plan)
    refuse_unrecordable_results(plan)
    if "DVC_STAGE" in os.environ or stage == "report":  # Snakemake has checked them for the others
        check_texts(plan.registry, ROOT)
    folder = run_stage(stage, key, ROOT, wait=-1, scale=asked)
    if stage == "report":
        from reeltrace.pipeline.attesting import attest_finished

        attest_finished(plan, _complain)
    if sys.stdout.isatty():
        print(folder)


class _OfLists(TyperCommand):
    """A command some of whose options take several values, as in `--tables A B`; click wants the option before each."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        several = {name for each in self.params if each.multiple for name in each.opts}
        spread, option = [], ""
        for argument in args:
            name, given, value = argument.partition("=")
            if name in several:
                option = name
                spread += [option, value] if given else []
            elif argument.startswith("-") or not option:
                option = ""
                spread.append(argument)
            else:
                spread += [option, argument]
        try:
            return super().parse_args(ctx, spread)
        except typer.BadParameter as error:
            raise UserError(f"{error.format_message().rstrip('.')}; see: {ctx.command_path} --help") from None


@app.command(cls=_OfLists)
def reproduce(
    tables: Annotated[list[str], typer.Option("--tables", metavar="TABLE...", help="The tables, in their order.")],
    scale: Annotated[str | None, typer.Option("--scale", help="Another scale than params.yaml names.")] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seeds", metavar="SEED...", help="Of the seeds in params.yaml these alone.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="End before these are over; the same command goes on later.")
    ] = None,
    bring: Annotated[
        Path | None, typer.Option("--bring", metavar="FOLDER", help="Copy what is made there, to be carried elsewhere.")
    ] = None,
) -> None:
    """Make tables, with all that they need, in this one process; exit 75 where the time is over first."""
    import psutil

    from reeltrace.pipeline.plan import scale_named
    from reeltrace.pipeline.reproduce import reproduce as make_tables

    warm.fill_streams()
    stream = os.dup(sys.stdout.fileno() if isinstance(sys.stdout, io.TextIOWrapper) else 1)

    def say(line: str) -> None:  # from a signal's handler too, where a buffered stream would refuse
        with contextlib.suppress(OSError):
            os.write(stream, f"{_printable(line)}\n".encode(errors="backslashreplace"))

    asked: dict[str, Any] = {"scale": None if scale is None else scale_named(scale), "seeds": seeds or ()}
    spent = time.time() - psutil.Process().create_time()  # Python and this package were loaded in it
    outcome = make_tables(tables, **asked, minutes=minutes, spent=spent, bring=bring, root=ROOT, say=say)
    raise typer.Exit(outcome.code)


@app.command(hidden=True)
def code() -> None:
    """Write the digests of the stages' code, which DVC compares; `dvc repro` calls it when a source file changed."""
    from reeltrace.pipeline.engines import refuse_outdated_dvc, refuse_unrecordable_results, write_code
    from reeltrace.pipeline.plan import load_plan

    plan = load_plan(ROOT)
    refuse_outdated_dvc(plan)
    refuse_unrecordable_results(plan)
    write_code(plan)


@app.command()
def status(
    as_json: AsJson = False,
    artifacts: Annotated[bool, typer.Option("--artifacts", help="List every artifact, not only the tables.")] = False,
    every: Annotated[bool, typer.Option("--tables", help="List the current tables too, which are folded.")] = False,
    where: Annotated[bool, typer.Option("--where", help="Print only where the report lies.")] = False,
    timing: Annotated[bool, typer.Option("--timing", help="Print what each stage cost, dearest first.")] = False,
) -> None:
    """Say what is current, stale or missing, per table, and count the verdicts of a current report."""
    if where:
        from reeltrace.pipeline.plan import load_plan

        path = load_plan(ROOT)["report/all"].folder / HTML
        if not path.is_file():
            raise CheckFailed(f"{path}: not made yet; run: snakemake --cores all")
        print(f"The report: {path}")
        return
    if timing:
        from reeltrace.pipeline.costs import costs, format_costs
        from reeltrace.pipeline.plan import load_plan

        plan = load_plan(ROOT)
        paid = costs(plan)
        if as_json:
            _print_json({"scale": plan.registry.scale, **paid.as_json()})
        else:
            print(f"scale {plan.registry.scale}: {paid.seconds:.1f} s in {len(paid.artifacts)} artifacts")
            print(format_costs(paid))
        return
    from reeltrace.pipeline.kept import load
    from reeltrace.pipeline.standings import altered, standings, table_standings, unrecorded

    graph = load(ROOT)
    found = altered(graph, standings(graph), "report/all")
    tables = table_standings(graph, found)
    if as_json:
        _print_json(
            {
                "scale": graph.scale,
                "tables": tables,
                "artifacts": {name: {"state": s.state, "reason": s.reason} for name, s in found.items()},
                "dvc_yaml": "current" if graph.dvc_is_current() else "stale",
                "unrecorded": unrecorded(graph, found),
            }
        )
        return
    width = max(map(len, ("report", *(found if artifacts else tables))))
    print(f"scale {graph.scale}")
    folded = [key for key, table in tables.items() if table["state"] == "current"] if len(tables) > FEW else []
    if folded and not (artifacts or every):
        print(f"  {f'{len(folded)} tables':<{width}}  current")
    for key, table in tables.items():
        if key in folded and not (artifacts or every):
            continue
        total = table["current"] + table["stale"] + table["missing"]
        print(f"  {key:<{width}}  {table['state']:<8} {table['current']}/{total} current  {table['why']}".rstrip())
    if artifacts:
        for name, standing in found.items():
            print(f"  {name:<{width}}  {standing.state:<8} {standing.reason}".rstrip())
    standing = found["report/all"]
    print(f"  {'report':<{width}}  {standing.state:<8} {standing.reason}".rstrip())
    if standing.state == "current":
        from reeltrace.artifacts.json_values import read_json

        verdicts = read_json(ROOT / graph["report/all"].folder / JSON)["summary"]["verdicts"]
        print("cells: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items() if count))
    if not graph.dvc_is_current():
        print("dvc.yaml does not match params.yaml and documents/; run: reeltrace sync")
    elif waiting := unrecorded(graph, found):
        print(f"{len(waiting)} current artifacts are not recorded with DVC; snakemake or `reeltrace sync` records them")


class _OfShares(TyperCommand):
    """A command with options whose value may be left out: alone they mean all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        may = {name for each in self.params if each.metavar == SHARE for name in each.opts}
        given: list[str] = []
        for argument, following in zip(args, [*args, ""][1:], strict=True):
            given.append(argument)
            if argument in may and not re.match(r"\d|all$", following):
                given.append("all")
        return super().parse_args(ctx, given)


SHARE = "[PERCENT|all]"


@app.command(cls=_OfShares)
def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Only what is behind one number, a table as in DOCUMENT/3, or an artifact."
        ),
    ] = None,
    as_json: AsJson = False,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar=SHARE, help="Hash the bulk data too, or a random share of it as in 10%."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            metavar=SHARE,
            help="Count nets again and evaluate the checkpoints that were kept, all or a random share.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the shares, to draw the same again.")] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The key.pub, or its id, that must have attested the report."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 too where this project, as it is here, did not attest the report.")
    ] = False,
) -> None:
    """Recompute every hash and every printed cell; exit 1 and name each failure by its kind."""
    from reeltrace.attest.keys import expected_id
    from reeltrace.attest.names import ATTESTED
    from reeltrace.pipeline.attesting import project_digests
    from reeltrace.pipeline.graph import RESULTS
    from reeltrace.pipeline.plan import load_plan
    from reeltrace.pipeline.standings import standings
    from reeltrace.verify import account
    from reeltrace.verify.one import in_report
    from reeltrace.verify.published import TEXTS, not_held, texts_there
    from reeltrace.verify.shares import Share

    if name is not None and (key is not None or strict):
        option = "--strict" if key is None else "--key"
        raise UserError(f"{option}: the report is attested as a whole; leave out the name to have that checked")
    bulk = None if data is None else Share.read("--data", data, seed)
    again = None if replay is None else Share.read("--replay", replay, seed if bulk is None else bulk.seed)
    if name is None:
        texts_there()  # or the variable is wrong, which is better said before any work
    plan = load_plan(ROOT).with_made()
    scale, results = plan.registry.scale, ROOT / RESULTS / plan.registry.scale
    only = None if name is None else _behind(plan, name)
    asked = [task for task in plan if only is None or task.name in only]
    found = {each: of for each, of in standings(plan).items() if only is None or each in only}
    with _telling("verify") as tell:
        expected = None if key is None else expected_id(key)
        problems = everything_wrong(plan, found, data=bulk or False, only=only, key=expected, tell=tell)
    if only is not None and (table := next((task.key for task in asked if task.stage == "aggregate"), None)):
        problems += in_report(results, table)
    notes = []
    if bulk is not None:
        notes.append(f"of files over 1 MB read: {bulk}")
    if again is not None:
        notes.append(f"to be replayed: {again}")
        replays = _replayed(plan, found, problems, again)
        problems += replays.problems
        notes += replays.summary()
    with contextlib.suppress(OSError):  # a file of the project that cannot be read says nothing of the results
        other = "" if only is not None else account.elsewhere(results, project_digests(ROOT))
        problems += account.strictly(results, other) if strict else []
        notes += [other] if other and not strict else []
    if as_json:
        _print_json([{"kind": p.kind, "where": p.where, "found": p.found} for p in problems])
    else:
        how = "" if bulk else " (of files over 1 MB the sizes; --data reads them too)"
        what = "every artifact and every printed cell agree" if only is None else f"every artifact behind {name} agrees"
        said = f"{what}{how}" if not problems else account.counted(problems)
        root = None if only is not None else account.root_of_report(results)
        whole = [f"root hash {root or 'none'}", account.attested_by(results)] if only is None else []
        shares = {"bulk": str(bulk or ""), "replayed": str(again or "")}
        texts = bool(os.environ.get(TEXTS))
        unheld = not_held(ROOT) if texts and only is None else ()
        receipts = only is None or (results / ATTESTED).is_dir()
        part = only is not None
        rest = account.left_out(**shares, key=key is not None, part=part, texts=texts, unheld=unheld, receipts=receipts)
        looked = f"{len(asked)} artifacts looked at"
        last = "; ".join([f"scale {scale}: {said}", looked, *whole, f"not looked at: {rest}"])
        _print_lines([*map(str, problems), *notes, last], 141 if problems else 0)
    if problems:
        raise typer.Exit(1)


def _behind(plan: Any, name: str) -> set[str]:
    """The artifacts behind an artifact, a table or a number, it included. Raises `UserError` for a name of none."""
    from reeltrace.pipeline.graph import STAGES
    from reeltrace.report.explain import explain as explain_cell

    tables = {f"{document}/{table}": key for key, (document, table) in plan.tables.items()}
    if name.partition("/")[0] not in STAGES and name not in plan.tables and name not in tables:
        chain = explain_cell(ROOT, name, plan.registry.scale)
        return {each.name for of in chain["artifacts"] for each in plan.behind(plan[of["name"]])}
    key = name if name.partition("/")[0] in STAGES else f"aggregate/{tables.get(name, name)}"
    return {task.name for task in plan.behind(plan[key])}


@contextlib.contextmanager
def _telling(command: str) -> Iterator[Callable[[str], None]]:
    """On a terminal, one line that says what is being looked at, where that takes more than a moment."""
    began, told = time.monotonic(), False

    def tell(name: str) -> None:
        nonlocal told
        if sys.stderr.isatty() and time.monotonic() - began > 1.0:
            told = True
            print(f"\r\x1b[K{command}: {_printable(name)}", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if told:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _print_lines(lines: list[str], code: int) -> None:
    """Print lines; where the reader went away, as `head` does, end silently with `code`."""
    try:
        for line in lines:
            print(_printable(line))
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(code) from None


def everything_wrong(
    plan: Any,
    found: dict[str, Any],
    *,
    data: Any = False,
    only: set[str] | None = None,
    key: str | None = None,
    tell: Callable[[str], None] = lambda name: None,
) -> list[Any]:
    """All problems of a plan's artifacts and texts, whose standings are `found`; else as in `verify.verify`."""
    from reeltrace.pipeline.graph import texts_sha256
    from reeltrace.verify.belonging import Planned
    from reeltrace.verify.verify import verify as verify_all

    standing = {name: of.reason if of.state == "stale" and of.of is None else "" for name, of in found.items()}
    asked = [task for task in plan if only is None or task.name in only]
    planned = {task.name: Planned(task.inputs, task.outputs, texts_sha256(task, ROOT)) for task in asked}
    scale = plan.registry.scale
    problems = verify_all(
        ROOT, scale=scale, data=data, standing=standing, planned=planned, only=only, key=key, tell=tell
    )
    problems += _not_there(plan, found, {p.where for p in problems})
    return problems + _mistaken_texts(plan)


def _replayed(plan: Any, found: dict[str, Any], problems: list[Any], share: Any) -> Any:
    """The replay of a share of what is current, and neither altered itself nor made from what is."""
    from reeltrace.verify.replay import replay

    where = [f"{problem.where}/" for problem in problems]
    sound = {task.name for task in plan if not any(place.startswith(f"{task.folder.as_posix()}/") for place in where)}
    names = [
        task.name
        for task in plan
        if task.name in found
        and found[task.name].state == "current"
        and {each.name for each in plan.behind(task)} <= sound
    ]
    return replay(ROOT, plan.registry.scale, names, share, lambda line: print(_printable(line), file=sys.stderr))


def _not_there(plan: Any, found: dict[str, Any], known: set[str]) -> list[Any]:
    """Artifacts that are missing, not whole or not to be read, where no other problem names them."""
    from reeltrace.errors import Problem

    return [
        Problem("broken chain", str(plan[name].folder), standing.reason)
        for name, standing in found.items()
        if standing.state != "current"
        and standing.of is None
        and not any(f"{where}/".startswith(f"{plan[name].folder}/") for where in known)
    ]


def _mistaken_texts(plan: Any) -> list[Any]:
    """The first mistake in the texts of documents/, as a problem: names that lead nowhere break the chain."""
    from reeltrace.analysis.cross_checks import check_texts
    from reeltrace.errors import Problem

    try:
        check_texts(plan.registry, ROOT)
    except UserError as error:
        return [Problem("broken chain", "documents", str(error))]
    return []


@app.command()
def attest(
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PATH", help="The key that signs, instead of your own.")
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key, which is not there yet.")] = False,
    with_sigstore: Annotated[
        bool, typer.Option("--sigstore", help="Let the program sigstore sign the statement too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign who made the report, when and of what, and add it to the log of reports; runs do it unasked."""
    from reeltrace.attest.attest import sigstore
    from reeltrace.pipeline.attesting import attest_report
    from reeltrace.pipeline.plan import load_plan

    done = attest_report(load_plan(ROOT), key, new_key=new_key, say=_complain)
    bundle = sigstore(done.folder) if with_sigstore else None
    if as_json:
        _print_json({"folder": str(done.folder), "number": done.number, "key": done.key, "new": done.new})
        return
    how = "attested" if done.new else "attested before"
    print(f"{done.folder}: {how}, as report {done.number} of its log, by the key {done.key}")
    if bundle is not None:
        print(f"{bundle}: signed with sigstore")


@app.command()
def explain(
    cell: Annotated[str, typer.Argument(help="document/table/row/column, or any id that the page prints; a table")],
    as_json: AsJson = False,
) -> None:
    """Print the chain of one number: cell, value, artifact and hash, command, code, data, seed, machine."""
    from reeltrace.pipeline import kept
    from reeltrace.pipeline.standings import progress, standings
    from reeltrace.report import listing
    from reeltrace.report.explain import explain as explain_cell
    from reeltrace.report.explain import format_explanation

    graph = kept.with_kinds(ROOT)
    found = standings(graph)
    not_current = {name: of.reason for name, of in found.items() if of.state != "current"}
    try:
        chain = explain_cell(ROOT, cell, graph.scale, not_current, progress(graph, found))
    except UserError:
        other = None
        with contextlib.suppress(UserError):  # what the table says of itself is nearer
            other = listing.other(ROOT, graph.scale, cell)
        if other is None:
            raise
        if as_json:
            _print_json(other)
        else:
            for line in listing.other_words(other):
                print(_printable_line(line))
        return
    if as_json:
        _print_json({"kind": "cell", **chain})
    else:
        print(format_explanation(chain))


@app.command()
def detect(
    video: Annotated[Path, typer.Argument(help="a video file, or a folder of images with --rate")],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="The net, as reeltrace convert writes it.")
    ] = None,
    person_detector: Annotated[
        Path | None, typer.Option("--person-detector", metavar="FILE", help="torchvision's weights of the net below.")
    ] = None,
    person_net: Annotated[
        str, typer.Option("--person-net", metavar="NAME", help="Which of torchvision's nets finds persons.")
    ] = "fasterrcnn_resnet50_fpn",
    boxes: Annotated[
        Path | None, typer.Option("--boxes", metavar="CSV", help="Boxes of persons instead, in AVA's format.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="AVA's list of actions, pbtxt or csv.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the video with boxes and actions.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write every score in AVA's format.")
    ] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="Least score of an action that is shown.")] = 0.5,
    persons: Annotated[float, typer.Option("--persons", help="Least score of a box of a person.")] = 0.8,
    every: Annotated[float, typer.Option("--every", help="Seconds between key frames.")] = 1.0,
    begins: Annotated[float, typer.Option("--begins", help="Timestamp at which the video begins.")] = 0.0,
    rate: Annotated[float | None, typer.Option("--rate", min=0.01, help="Frames per second of the video.")] = None,
    random: Annotated[bool, typer.Option("--random", help="A small net with drawn weights, for trying.")] = False,
) -> None:
    """Find persons in a video and what each of them does, second by second."""
    from reeltrace.kinds.points import load

    asked = load("reeltrace.detection.command:Asked")(
        video=video,
        checkpoint=checkpoint,
        person_detector=person_detector,
        person_net=person_net,
        boxes=boxes,
        labels=labels,
        output=output,
        csv=csv,
        threshold=threshold,
        persons=persons,
        every=every,
        begins=begins,
        rate=rate,
        random=random,
    )
    for line in load("reeltrace.detection.command:run")(asked, _complain):
        print(_printable_line(line))


@app.command()
def bundle(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The zip to write, or a folder for it.")
    ] = ROOT,
) -> None:
    """Write a zip of the results with a program that checks it, check.py, which needs nothing but Python."""
    from reeltrace.bundle.write import write_bundle
    from reeltrace.pipeline.plan import load_plan

    target = write_bundle(ROOT, load_plan(ROOT).registry.scale, output)
    print(f"{target} ({target.stat().st_size:,} bytes); check it with the check.py in it, or: reeltrace verify")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="a report.json, or a folder with one")],
    after: Annotated[Path, typer.Argument(help="the one to compare with it")],
    as_json: AsJson = False,
) -> None:
    """Compare two reports: cells, verdicts, claims, findings; exit 1 if they differ, 0 if not."""
    from reeltrace.report.compare import differences, read_report

    found = differences(read_report(before), read_report(after))
    if as_json:
        _print_json([difference.as_json() for difference in found])
    else:
        for difference in found:
            print(_printable(str(difference)))
        if not found:
            print("the same cells, verdicts, claims and findings")
    if found:
        raise typer.Exit(1)


@app.command()
def cells(
    verdicts: Annotated[
        list[str] | None,
        typer.Option("--verdict", help="Only this verdict, as 'not exact'; may be repeated."),
    ] = None,
    tables: Annotated[
        list[str] | None, typer.Option("--table", help="Only cells of this table, as smith2020/3; may be repeated.")
    ] = None,
    documents: Annotated[
        list[str] | None, typer.Option("--document", help="Only cells of this document; may be repeated.")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values, with headings.")] = False,
) -> None:
    """List cells: what was found here, what is printed, the verdict."""
    from reeltrace.pipeline import kept
    from reeltrace.report import listing

    every = listing.cells(ROOT, kept.with_kinds(ROOT).scale)
    found = listing.chosen(every, verdicts or (), tables or (), documents or ())
    if as_json:
        _print_json(found)
    elif as_csv:
        print(listing.as_csv(found), end="")
    else:
        for line in listing.as_text(found):
            print(_printable_line(line))
        print(f"{len(found)} of {len(every)} cells", file=sys.stderr)


@app.command("open")
def open_report() -> None:
    """Open the report in a browser; where there is none, say where it lies."""
    import webbrowser

    from reeltrace.pipeline.plan import load_plan

    path = load_plan(ROOT)["report/all"].folder / HTML
    if not path.is_file():
        raise CheckFailed(f"{path}: not made yet; run: snakemake --cores all")
    if not webbrowser.open(path.resolve().as_uri()):
        print(f"The report: {path}")


@app.command()
def audit(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Table files, CSV or YAML as published.yaml; none: the documents of this project."),
    ] = None,
    sizes: Annotated[
        list[str] | None,
        typer.Option("--n", metavar="SIZE", help="Samples of the test set, a column with them, or COLUMN=SIZE."),
    ] = None,
    percent: Annotated[
        list[str] | None, typer.Option("--percent", metavar="COLUMN", help="A column of shares of the test set.")
    ] = None,
    relations: Annotated[
        Path | None,
        typer.Option("--relations", metavar="FILE", help="What the first file's numbers should be to each other."),
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF too, at their lines.")
    ] = None,
    as_json: AsJson = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 where a finding is more than a note.")] = False,
) -> None:
    """Hold printed numbers against each other: derived, repeated, contradictory and impossible ones."""
    from reeltrace.analysis.audit import run as audits
    from reeltrace.analysis.audit import words
    from reeltrace.analysis.audit.files import Sizes, read_all

    named: dict[str, Path] = {}
    if files:
        tables = read_all(files, Sizes.read(sizes or (), percent or ()))
        named = {name: path for name, (path, _) in tables.items()}
        found = audits.of_tables([body for _, body in tables.values()], relations)
    elif sizes or percent:
        raise UserError("--n and --percent are for table files; documents have `tests` in their published.yaml")
    elif relations:
        raise UserError("--relations is for table files; documents have their relations.yaml")
    else:
        found = audits.of_project(ROOT)
    if sarif:
        from reeltrace.export.command import write_findings

        write_findings(sarif, [finding.model_dump(mode="json") for finding in found.findings], named, ROOT)
    if as_json:
        _print_json(words.as_json(found))
    else:
        for line in words.lines(found):
            print(f"{line[: len(line) - len(line.lstrip())]}{_printable(line)}")
    if check and found.counts["decision"] + found.counts["rounding"]:
        raise typer.Exit(1)


@app.command()
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="csv, latex, sarif, codecheck or crate")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to: a folder for csv and crate, a file for the others.")
    ] = None,
    document: Annotated[
        str | None, typer.Option("--document", help="Of one document: the codecheck.yml, or the tables as csv.")
    ] = None,
) -> None:
    """Write the finished report for the tools of others: tables, macros, findings, a codecheck.yml, an RO-Crate."""
    from reeltrace.export.command import export as write_export
    from reeltrace.pipeline.plan import load_plan

    plan = load_plan(ROOT)
    folders = {task.name: task.folder for task in plan if (task.folder / MANIFEST).is_file()}
    for path in write_export(form, folders, ROOT, output, document):
        print(path)


@app.command()
def convert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A public checkpoint: .pyth, .pth, .pt, or Caffe2's .pkl.")
    ],
    architecture: Annotated[
        str, typer.Option("--architecture", help="slowfast, slowfast-detection, nonlocal_i3d or r2plus1d")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The checkpoint to write.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A value that shapes do not tell, such as alpha=8."),
    ] = None,
    frames: Annotated[int | None, typer.Option("--frames", help="Of a view, which no file tells.")] = None,
    stride: Annotated[int | None, typer.Option("--stride", help="From one frame of a view to the next.")] = None,
    crop: Annotated[int | None, typer.Option("--crop", help="Of a view, in pixels.")] = None,
) -> None:
    """Bring public weights (PySlowFast, pytorchvideo, torchvision, VMZ) into a checkpoint for `recognise`."""
    from reeltrace.kinds.points import load

    view = {"frames": frames, "stride": stride, "crop": crop}
    for line in load("reeltrace.recognition.command:convert")(file, architecture, output, changes or (), view):
        print(_printable(line))


@app.command()
def recognise(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, or with --truth a folder of videos.")],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Of a network, as `reeltrace convert` writes it.")
    ] = None,
    random: Annotated[
        str | None, typer.Option("--random", metavar="NETWORK", help="Random weights, for trying: slowfast, r2plus1d.")
    ] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Names of the classes: a line each, or JSON.")] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="A csv of a folder's videos, columns video and label: top-1 and top-5."),
    ] = None,
    views: Annotated[str, typer.Option("--views", help="Clips times crops that are averaged.")] = "10x3",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The video with its labels, as .mp4.")] = None,
    figure: Annotated[Path | None, typer.Option("--figure", help="Frames with their labels, as .png or .svg.")] = None,
    frames: Annotated[int | None, typer.Option("--frames", help="Of a view, where not the checkpoint's.")] = None,
    stride: Annotated[int | None, typer.Option("--stride", help="From one frame of a view to the next.")] = None,
    side: Annotated[int | None, typer.Option("--side", help="Pixels of the shorter side.")] = None,
    crop: Annotated[int | None, typer.Option("--crop", help="Pixels of the square that is cut.")] = None,
    flow: Annotated[
        Path | None, typer.Option("--flow", help="A second checkpoint, of a network that sees optical flow.")
    ] = None,
    raft: Annotated[Path | None, typer.Option("--raft", help="Weights of torchvision's RAFT, for --flow.")] = None,
    random_raft: Annotated[bool, typer.Option("--random-raft", help="RAFT with random weights, for trying.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda")] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of random weights, and of the frames of a figure.")] = 0,
) -> None:
    """Say which actions a network sees in a video; write them on it, or count how often it is right in a folder."""
    from reeltrace.kinds.points import load

    asked = load("reeltrace.recognition.command:Asked")(
        path=video,
        checkpoint=checkpoint,
        random=random,
        labels=labels,
        truth=truth,
        views=views,
        output=output,
        figure=figure,
        view={"frames": frames, "stride": stride, "side": side, "crop": crop},
        flow=flow,
        raft=raft,
        random_raft=random_raft,
        device=device,
        seed=seed,
    )
    with _telling("recognise") as tell:
        for line in load("reeltrace.recognition.command:recognise_lines")(asked, tell):
            print(_printable_line(line), flush=True)


new = typer.Typer(no_args_is_help=True, help="Begin something of your own.")
app.add_typer(new, name="new")


@new.command()
def document(
    key: Annotated[str, typer.Argument(help="what the document is called here, as in smith2020")],
    title: Annotated[str, typer.Option("--title", help="its title")] = "A title",
    year: Annotated[str, typer.Option("--year", help="its year")] = "not given",
) -> None:
    """Write the folder of a new document, documents/KEY, to be filled in."""
    from reeltrace.pipeline.graph import TARGETS
    from reeltrace.skeleton import new_document

    if key in TARGETS:
        raise UserError(f"{key!r} names a stage or everything; choose another key")
    for path in new_document(key, title, year, ROOT):
        print(path)
    print("fill them in, then run: reeltrace sync")


@app.command()
def sync(
    as_json: AsJson = False,
    wait: Annotated[
        float,
        typer.Option(envvar=variables.WAIT, min=0, help="Seconds to wait while another process works with DVC."),
    ] = 60.0,
    later: Annotated[
        bool, typer.Option("--later", help="What DVC cannot record now is left for the next call, and no failure.")
    ] = False,
) -> None:
    """Compile dvc.yaml, check every artifact against its manifest, and record what matches with DVC."""
    from reeltrace.pipeline.engines import sync as sync_engines
    from reeltrace.pipeline.plan import load_plan
    from reeltrace.pipeline.standings import MISMATCH, few

    if not math.isfinite(wait):
        raise UserError(f"--wait: found {wait}; expected a number of seconds")
    try:
        result = sync_engines(load_plan(ROOT), wait)
    except CheckFailed as error:
        if not later:
            raise
        _complain(str(error))
        raise typer.Exit(MISMATCH) from None
    failed = bool(result["reason"]) and result["possible"] and not later
    if as_json:
        _print_json(result)
        if failed:
            raise typer.Exit(1)
        return
    if result["compiled"]:
        print("dvc.yaml was compiled anew from params.yaml and documents/")
    for note in result["notes"]:
        print(note)
    if failed:
        raise CheckFailed(f"not recorded with DVC: {result['reason']}; correct that and run the same command again")
    if result["reason"]:
        again = "; the next call of snakemake or `reeltrace sync` records it" if result["possible"] else ""
        print(f"reeltrace: made and checked, but not recorded with DVC: {result['reason']}{again}", file=sys.stderr)
    else:
        print(f"recorded {len(result['recorded'])} artifacts with DVC")
    if not later and result["left"]:
        some = few([f"{name} ({reason})" for name, reason in result["left"].items()])
        count = f"{len(result['left'])} artifact" + ("s" if len(result["left"]) != 1 else "")
        print(f"left alone: {count} not current: {some}; `reeltrace status --artifacts` names all")


def main() -> None:
    """Entry point of the console script."""
    if sys.stdout is None or sys.stderr is None:  # closed by who started this: what is said goes nowhere
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for the rest of the process
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold what no encoding has
    warm.share_fate()
    if (code := warm.hand_over(sys.argv[1:])) is not None:
        sys.exit(code)
    if sys.argv[1:2] in (["status"], ["explain"]):  # they end soon, and keep what they read until then
        gc.disable()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a full disk behind `>` can still be said in one line
    except MemoryShort as error:
        _complain(str(error))
        _end(2)
    except UserError as error:
        _complain(str(error))
        sys.exit(2)
    except CheckFailed as error:
        _complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        _drop_output()
        sys.exit(0)
    except OSError as error:
        where = _place_of(error)
        _drop_output()
        _complain(f"{where}: {reason_of(error)}; correct that and run the same command again")
        sys.exit(2)
    except (MemoryError, ImportError, RuntimeError) as error:
        if not speaks_of_memory(error):
            raise
        _complain(too_little_memory(" ".join(["reeltrace", *sys.argv[1:]]), LOADING))
        _end(2)


def _place_of(error: OSError) -> str:
    """The file that an error is about. One that names none and arose in this module was met in printing."""
    places = [str(name) for name in (error.filename, error.filename2) if name is not None]
    if places:
        return " -> ".join(places)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        return "standard output"
    return f"a file that `{' '.join(['reeltrace', *sys.argv[1:]])}` needs"


def _complain(message: str) -> None:
    """One line, whatever a file's name or a library's advice brings with it."""
    print(f"reeltrace: {_printable(message)}", file=sys.stderr)


def _printable(text: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)  # colours
    return "".join(c if c.isprintable() else "?" for c in " ".join(plain.split()))


def _printable_line(text: str) -> str:
    """As `_printable`, with the spaces that set columns."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _end(code: int) -> NoReturn:
    """End at once: without memory, what libraries do at the end of a process would add its own tracebacks."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _drop_output() -> None:
    """What could not be printed is not tried again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
