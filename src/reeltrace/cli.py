"""The command line: run, status, verify, explain, sync.

Errors are one line; exit 2 for bad input, 1 for a failed check.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from reeltrace.errors import CheckFailed, UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Re-run published video action recognition experiments, and trace every reported number to its artifact.",
)
ROOT = Path()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="data, measure, train, aggregate or report")],
    key: Annotated[str, typer.Argument(help="the key of the artifact, as `reeltrace status` lists it")],
) -> None:
    """Run one stage for one key: the leaf command that both engines call."""
    from reeltrace.engines import refuse_outdated_dvc, refuse_unrecordable_results
    from reeltrace.plan import load_plan
    from reeltrace.runner import run as run_stage

    plan = load_plan(ROOT)
    refuse_outdated_dvc(plan)
    refuse_unrecordable_results(plan)
    folder = run_stage(stage, key, ROOT, wait=-1)
    if sys.stdout.isatty():
        print(folder)


@app.command()
def status(
    as_json: AsJson = False,
    artifacts: Annotated[bool, typer.Option("--artifacts", help="List every artifact, not only the tables.")] = False,
    where: Annotated[bool, typer.Option("--where", help="Print only where the report lies.")] = False,
) -> None:
    """Say what is current, stale or missing, per table."""
    from reeltrace.engines import dvc_is_current, standings, table_standings, unrecorded
    from reeltrace.plan import load_plan

    plan = load_plan(ROOT)
    report = plan["report/all"]
    if where:
        path = report.folder / "report.html"
        if not path.is_file():
            raise CheckFailed(f"{path}: not made yet; run: snakemake --cores all")
        print(f"The report: {path}")
        return
    found = standings(plan)
    tables = table_standings(plan, found)
    if as_json:
        _print_json(
            {
                "scale": plan.registry.scale,
                "tables": tables,
                "artifacts": {name: {"state": s.state, "reason": s.reason} for name, s in found.items()},
                "dvc_yaml": "current" if dvc_is_current(plan) else "stale",
                "unrecorded": unrecorded(plan, found),
            }
        )
        return
    width = max(map(len, ("report", *(found if artifacts else tables))))
    print(f"scale {plan.registry.scale}")
    for key, table in tables.items():
        total = table["current"] + table["stale"] + table["missing"]
        print(f"  {key:<{width}}  {table['state']:<8} {table['current']}/{total} current  {table['why']}".rstrip())
    if artifacts:
        for name, standing in found.items():
            print(f"  {name:<{width}}  {standing.state:<8} {standing.reason}".rstrip())
    standing = found["report/all"]
    print(f"  {'report':<{width}}  {standing.state:<8} {standing.reason}".rstrip())
    if not dvc_is_current(plan):
        print("dvc.yaml does not match params.yaml; run: reeltrace sync")
    elif waiting := unrecorded(plan, found):
        print(f"{len(waiting)} current artifacts are not recorded with DVC; snakemake or `reeltrace sync` records them")


@app.command()
def verify(
    as_json: AsJson = False,
    data: Annotated[bool, typer.Option("--data", help="Hash the bulk data too, not only small files.")] = False,
) -> None:
    """Recompute every hash and every printed cell; exit 1 and name each failure by its kind."""
    from reeltrace.plan import load_plan
    from reeltrace.report.verify import verify as verify_all

    plan = load_plan(ROOT)
    problems = verify_all(ROOT, scale=plan.registry.scale, data=data)
    problems += _specs_of_other_params(plan, {p.where for p in problems})
    if as_json:
        _print_json([{"kind": p.kind, "where": p.where, "found": p.found} for p in problems])
    else:
        for problem in problems:
            print(problem)
        if not problems:
            print(f"scale {plan.registry.scale}: every artifact and every printed cell agree")
    if problems:
        raise typer.Exit(1)


def _specs_of_other_params(plan: Any, known: set[str]) -> list[Any]:
    """Artifacts that params.yaml or the code no longer describes, as problems of kind `stale`."""
    from reeltrace.artifacts import Problem
    from reeltrace.engines import standings

    return [
        Problem(
            "broken chain" if standing.state == "missing" else "stale",
            str(plan[name].folder),
            standing.reason,
        )
        for name, standing in standings(plan).items()
        if standing.state != "current" and not any(where.startswith(f"{plan[name].folder}/") for where in known)
    ]


@app.command()
def explain(
    cell: Annotated[str, typer.Argument(help="document/table/row/column, as in basu2021/3/Z3CNN/original")],
    as_json: AsJson = False,
) -> None:
    """Print the chain of one number: cell, value, artifact and hash, command, code, data, seed, machine."""
    from reeltrace.plan import load_plan
    from reeltrace.report.explain import explain as explain_cell
    from reeltrace.report.explain import format_explanation

    plan = load_plan(ROOT)
    chain = explain_cell(ROOT, cell, plan.registry.scale)
    if as_json:
        _print_json(chain)
    else:
        print(format_explanation(chain))


@app.command()
def sync(
    as_json: AsJson = False,
    wait: Annotated[
        float,
        typer.Option(envvar="REELTRACE_WAIT", min=0, help="Seconds to wait while another process works with DVC."),
    ] = 60.0,
    later: Annotated[
        bool, typer.Option("--later", help="What DVC cannot record now is left for the next call, and no failure.")
    ] = False,
) -> None:
    """Compile dvc.yaml, check every artifact against its manifest, and record what matches with DVC."""
    from reeltrace.engines import sync as sync_engines
    from reeltrace.plan import load_plan

    result = sync_engines(load_plan(ROOT), wait)
    failed = bool(result["reason"]) and result["possible"] and not later
    if as_json:
        _print_json(result)
        if failed:
            raise typer.Exit(1)
        return
    if result["compiled"]:
        print("dvc.yaml was compiled anew from params.yaml")
    for note in result["notes"]:
        print(note)
    if failed:
        raise CheckFailed(f"not recorded with DVC: {result['reason']}; correct that and run the same command again")
    if result["reason"]:
        again = "; the next call of snakemake or `reeltrace sync` records it" if result["possible"] else ""
        print(f"reeltrace: made and checked, but not recorded with DVC: {result['reason']}{again}", file=sys.stderr)
    else:
        print(f"recorded {len(result['recorded'])} artifacts with DVC")
    if not later:
        for name, reason in result["left"].items():
            print(f"left alone: {name}: {reason}")


def main() -> None:
    """Entry point of the console script."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a full disk behind `>` can still be said in one line
    except UserError as error:
        print(f"reeltrace: {error}", file=sys.stderr)
        sys.exit(2)
    except CheckFailed as error:
        print(f"reeltrace: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        _drop_output()
        sys.exit(0)
    except OSError as error:
        _drop_output()
        where = f"{error.filename}: " if error.filename is not None else ""
        print(
            f"reeltrace: {where}{error.strerror or error}; correct that and run the same command again", file=sys.stderr
        )
        sys.exit(2)


def _drop_output() -> None:
    """What could not be printed is not tried again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
