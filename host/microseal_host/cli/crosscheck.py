"""`microseal crosscheck`: the same cases through every implementation, and the bytes compared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import microseal

from ..failure import NEGATIVE, NOT_READY, USAGE, Failure
from . import options, output

if TYPE_CHECKING:
    from ..crosscheck.cases import Cases
    from ..crosscheck.comparing import Result
    from ..crosscheck.runners import Runner

EXAMPLE = (
    "Examples: [bold]microseal crosscheck[/bold] checks the project's own vectors; "
    "[bold]microseal crosscheck --vectors mine.json --backend libcrypto[/bold] one file on one backend; "
    "[bold]microseal crosscheck --random 20 --suite 2[/bold] 20 scenarios made up on the spot."
)


class Backend(StrEnum):
    reference = "reference"
    libcrypto = "libcrypto"
    ccore = "ccore"
    micropython = "micropython"


def crosscheck(
    vectors: Annotated[
        list[Path] | None,
        typer.Option("--vectors", metavar="FILE", help="A file of the form of tests/vectors; may be given again."),
    ] = None,
    random: Annotated[
        int,
        typer.Option("--random", metavar="N", min=0, help="Scenarios to make at random with the reference (2 s each)."),
    ] = 0,
    suite: Annotated[
        int | None, typer.Option("--suite", min=1, max=2, help="The suite of --random; default: in turn.")
    ] = None,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="TEXT", help="What --random draws from; default: new each time.")
    ] = None,
    backend: Annotated[
        list[Backend] | None, typer.Option("--backend", help="Only this one; may be given again. Default: all.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check that C core, native module, libcrypto and the reference agree.

    Outputs are reproduced from their inputs, what can be opened is opened,
    what must be refused is refused, for its own reason. Exits 1 if anything
    disagrees; every disagreement is shown whole.
    """
    files = list(vectors or [])
    if not files and not random:
        files = _own_vectors()
    if seed is not None and not random:
        raise Failure("--seed is for --random", code=USAGE)
    seed = seed or secrets.token_hex(4)
    chosen = list(dict.fromkeys(b.value for b in backend)) if backend else [b.value for b in Backend]
    with ExitStack() as stack:
        runners = _start(chosen, stack)
        result = _check(_sources(files, random, suite, seed), runners)
    if as_json:
        output.print_json(_as_json(result, chosen, seed if random else None))
    else:
        _show(result, chosen)
        if random and result.disagreements:
            output.note(f"made from --seed {seed}")
    if result.disagreements:
        raise typer.Exit(NEGATIVE)


def _own_vectors() -> list[Path]:
    found = sorted((Path(microseal.__file__).parents[2] / "tests" / "vectors").glob("*.json"))
    if not found:
        raise Failure("no vectors beside this installation", "name files with --vectors, or use --random N", USAGE)
    return found


def _start(names: list[str], stack: ExitStack) -> list[Runner]:
    from ..crosscheck.runners import MAKERS, RunnerError

    started = []
    for name in names:
        try:
            runner = MAKERS[name]()
        except RunnerError as error:
            message, _, hint = str(error).partition("\n")
            raise Failure(message, hint, NOT_READY) from None
        stack.callback(runner.close)
        started.append(runner)
    return started


def _sources(files: list[Path], random: int, suite: int | None, seed: str) -> Iterator[tuple[str, Cases]]:
    """The cases of each file, all of which are read before the first is used, and of each random scenario."""
    from ..crosscheck import vectors
    from ..crosscheck.generate import scenario
    from ..crosscheck.rejects import cases_of
    from ..crosscheck.schema import FormatError

    try:
        read = [vectors.read(path) for path in files]
    except FormatError as error:
        raise Failure(str(error), "tests/vectors/README.md has the form of these files") from None
    for file in read:
        yield file.name, cases_of(file)
    for i in range(random):
        number = suite or 1 + i % 2
        name = f"random {seed}/{i}, suite {number}"
        yield name, cases_of(vectors.check(scenario(number, f"{seed}/{i}"), name))


def _check(sources: Iterator[tuple[str, Cases]], runners: list[Runner]) -> Result:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ..crosscheck.comparing import Result, check
    from ..crosscheck.runners import RunnerError

    result = Result()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for name, cases in sources:
            for runner in runners:
                if not cases.suites <= set(runner.suites):
                    raise Failure(
                        f"{name} is of suite {min(cases.suites)}, which {runner.name} was built without",
                        "build it with that suite, or choose other backends with --backend",
                        NOT_READY,
                    )
            task = progress.add_task(output.visible(name), total=len(cases.cases))
            try:
                result.extend(check(cases, runners, lambda task=task: progress.advance(task)))
            except RunnerError as error:
                raise Failure(f"{name}: {error}", code=NOT_READY) from None
            progress.remove_task(task)
    return result


def _show(result: Result, backends: list[str]) -> None:
    table = output.table("operation", "cases", "backends", "disagreements")
    for name, row in result.rows.items():
        table.add_row(name, str(row.cases), str(len(backends)), str(row.disagreements or "-"))
    if result.uncovered:
        table.add_row("not covered", str(len(result.uncovered)), "-", "-")
    console = output.console()
    console.print(table)
    for text in result.uncovered:
        console.print(output.visible(f"not covered: {text}"))
    for found in result.disagreements:
        console.print()
        console.print(output.visible(f"{found.row}: {found.origin}"))
        for what in found.what:
            console.print(output.visible(f"  {what}"))
        if found.case is not None:
            for name, value in found.as_json().items():
                if name in ("inputs", "expected", "outcomes"):
                    console.print(output.visible(f"  {name}: {json.dumps(value)}"), soft_wrap=True)
    cases, wrong = sum(row.cases for row in result.rows.values()), len(result.disagreements)
    console.print(f"\n{cases} cases through {', '.join(backends)}: {wrong or 'no'} disagreement{'s' * (wrong > 1)}")


def _as_json(result: Result, backends: list[str], seed: str | None) -> dict[str, object]:
    return {
        "backends": backends,
        "seed": seed,
        "operations": [
            {"operation": name, "cases": row.cases, "disagreements": row.disagreements}
            for name, row in result.rows.items()
        ],
        "uncovered": result.uncovered,
        "disagreements": [found.as_json() for found in result.disagreements],
    }
