"""The `assess` command. Thin: each part is imported when asked for, so that help and "nothing to do" are quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from helpers.errors import AssessError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
STOPPED = 130


@app.callback()
def assess() -> None:
    """What did England's Safety Valve agreements do? Build and keep up the assessment."""


@app.command()
def run(
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="CHAPTER.NAME=VALUE",
            help="Run a chapter with another parameter, beside the default.",
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Notebooks at once; as many as cores unless given.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each notebook runs or does not.")] = False,
    timings: Annotated[bool, typer.Option("--timings", help="End with the slowest notebooks and cells.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run everything, up to date or not.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ADDRESS", help="Run on the Dask cluster whose scheduler is there."),
    ] = None,
) -> None:
    """Build what is out of date, and say where the report is."""
    from helpers import build, chapters, paths, progress

    paths.root()
    given = chapters.assignments(parameter or [], chapters.load())
    make: Callable[[Sequence[str]], build.Jobs] | None = None
    if cluster:
        from helpers.cluster import Cluster

        made = Cluster(cluster)
        make, jobs = made.prepare, jobs or made.workers
    with progress.Progress(explain) as show:
        result = build.run(given, jobs, force, runner=make, show=show)
    if timings:
        noted = [stamp for path in sorted(build.folder().glob("*.json")) if (stamp := build.stamp(path.stem))]
        typer.echo(progress.timings(noted))
    done = f"{len(result.ran)} of {len(result.reasons)} built" if result.ran else "Nothing has changed"
    where = ", ".join(str(p) for p in result.variants) or str(result.report)
    typer.echo(f"{done}, in {result.seconds:.1f} s. {'Results' if result.variants else 'Report'}: {where}")


@app.command()
def council(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Names or codes of councils.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every upper-tier council.")] = False,
    agreements: Annotated[bool, typer.Option("--agreements", help="The councils with an agreement.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="PDF beside HTML.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Councils at once; as many as cores unless given.")
    ] = None,
) -> None:
    """Make council pages."""
    from helpers import profile

    if not (names or everyone or agreements):
        raise AssessError("Name a council, or give --all or --agreements.")
    typer.echo(profile.build(names or [], everyone=everyone, agreements=agreements, pdf=pdf, jobs=jobs))


@app.command()
def update(
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help="More files after --from.")] = None,
    given: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Take these files instead of asking the publishers."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SOURCE", help="Ask only this source; may be repeated.")
    ] = None,
    alarm: Annotated[
        bool, typer.Option("--alarm", help="Only fail when a source has not answered for too long.")
    ] = False,
) -> None:
    """Look for new data, rebuild, report changes.

    Exit codes: 0 nothing new, 10 new data built, 20 could not tell, 30 a person must look.
    """
    from helpers import update as updates
    from helpers.errors import AssessError

    if more and not given:
        raise AssessError(f"{more[0]}: a file is taken only after --from.")
    files = [*given, *(more or [])] if given else None
    raise typer.Exit(updates.alarm() if alarm else updates.run(files, dry_run, only or []))


@app.command()
def verify() -> None:
    """Check inputs against their catalogue, and what was built against the notes of the build."""
    from helpers import build, catalogue

    problems = [*catalogue.verify(), *build.verify()]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("Inputs and outputs match their catalogues.")


@app.command()
def extract(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            help="Official files: zip, csv, xlsx, ods, parquet. Without any, only the catalogue is remade.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to; data/raw unless given.")] = None,
) -> None:
    """Remake the project's extracts from official files, recognised by their contents."""
    from helpers import extraction, paths

    for made in extraction.extract(files or [], out or paths.raw()):
        typer.echo(f"{made.name}: {len(made.rows):,} rows, {'changed' if made.changed else 'as it was'}")


@app.command()
def changes(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="An earlier project or reports folder.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="A later one.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to; NEW's reports unless given.")] = None,
) -> None:
    """Report what changed between two builds, as changes.json, changes.html and changes.md."""
    from helpers import changes as comparison

    for folder in (old, new):
        if not folder.is_dir():
            raise AssessError(f"{folder} is not a folder; expected a project or its reports folder.")
    target = out or comparison.reports_of(new)
    typer.echo(f"{comparison.headline(comparison.compare(old, new, target))} See {target / 'changes.html'}")


@app.command("new-chapter")
def new_chapter(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as 11_transport.")],
    title: Annotated[str, typer.Option(help="Its title.")] = "",
) -> None:
    """Add a notebook that runs as it is, and its entry in notebooks/chapters.yaml."""
    from helpers import scaffold

    typer.echo(f"Made {scaffold.chapter(name, title)}; edit it, then `assess run`.")


@app.command("new-measure")
def new_measure(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as requests_withdrawn.")],
    source: Annotated[str, typer.Option(help="The resource of the data package it comes from.")] = "",
    column: Annotated[str, typer.Option(help="Its column there.")] = "",
) -> None:
    """Add a measure's definition to the project's list, ready to be filled in."""
    from helpers import scaffold

    typer.echo(f"Added {name} to {scaffold.measure(name, source, column)}; fill in its title, unit and kind.")


def main() -> None:
    """Run the command. What the user can put right is one sentence and exit code 1."""
    try:
        app()
    except AssessError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept; `assess run` goes on from there.", file=sys.stderr)
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()
