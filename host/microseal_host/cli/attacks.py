"""`microseal attacks`: every attack that we know of, on the published scheme and on this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..failure import NEGATIVE, USAGE, Failure
from . import options, output

if TYPE_CHECKING:
    from ..attacks.catalogue import Result

EXAMPLE = (
    "Examples: [bold]microseal attacks[/bold] runs all of them; "
    "[bold]microseal attacks same-z replay[/bold] two, by name; [bold]microseal attacks --suite 2 --json[/bold]"
)


def attacks(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Only these, as the table names them.")
    ] = None,
    suite: Annotated[int, typer.Option("--suite", min=1, max=2, help="The suite that microseal runs with.")] = 1,
    as_json: options.Json = False,
) -> None:
    """Attack the published scheme, where it succeeds, and microseal, where it must not.

    Each attack is a program that runs against a literal reading of the paper
    (where the paper has such a thing) and for real against the protocol
    package, in a deployment in memory. The numbers are rows of the table in
    docs/security.md. Exits 1 if an attack on microseal succeeds, if it fails
    for another reason than the one meant for it, or if one on the published
    scheme does not succeed.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ..attacks.catalogue import ATTACKS, run

    known = {attack.name: attack for attack in ATTACKS}
    for name in names or ():
        if name not in known:
            raise Failure(f"no attack is called {name}", "microseal attacks shows the names of all", USAGE)
    chosen = [known[name] for name in dict.fromkeys(names)] if names else ATTACKS
    results = []
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("attacks", total=len(chosen))
        for result in run(chosen, suite):
            results.append(result)
            progress.advance(task)
    if as_json:
        output.print_json([_as_json(result) for result in results])
    else:
        _show(results)
    if not all(result.as_claimed for result in results):
        raise typer.Exit(NEGATIVE)


def _show(results: list[Result]) -> None:
    table = output.table("row", "name", "attack", "published scheme", "microseal")
    for result in results:
        attack, published, here = result.attack, result.published, result.microseal
        if here.succeeded:
            verdict = f"BROKEN: {here.detail}"
        elif here.detail != attack.reason:
            verdict = f"stopped by {here.detail}, NOT by {attack.reason}"
        else:
            verdict = f"withstood: {here.detail}"
        said = "-"
        if published is not None:
            said = f"broken: {published.detail}" if published.succeeded else f"NOT BROKEN: {published.detail}"
        row = (str(attack.row or ""), attack.name, attack.title, said, verdict)
        table.add_row(*row, style=None if result.as_claimed else "bold red")
    console = output.console()
    if not console.is_terminal:
        console.width = 200  # a pipe gets each attack on a line of its own
    console.print(table)
    wrong = sum(not result.as_claimed for result in results)
    broken = sum(result.published is not None for result in results)
    console.print(f"\n{len(results)} attacks, {broken} of them also on the published scheme: {_verdict(wrong)}")


def _verdict(wrong: int) -> str:
    return f"{wrong} NOT as claimed" if wrong else "published broken, microseal not"


def _as_json(result: Result) -> dict[str, object]:
    def outcome(succeeded: bool, detail: str) -> dict[str, object]:
        return {"succeeded": succeeded, "detail": detail}

    attack, published, here = result.attack, result.published, result.microseal
    return {
        "name": attack.name,
        "title": attack.title,
        "row": attack.row or None,
        "published": published and outcome(published.succeeded, published.detail),
        "microseal": outcome(here.succeeded, here.detail),
        "expected": attack.reason,
        "as_claimed": result.as_claimed,
        "seconds": round(result.seconds, 3),
    }
