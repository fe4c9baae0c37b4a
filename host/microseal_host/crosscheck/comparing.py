"""Puts every case to every backend and collects where they disagree with the file or with each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .cases import Case, Cases
from .runners import Outcome, Runner


@dataclass(frozen=True)
class Disagreement:
    """One case that went wrong, whole. `what` says how; `case` is None where the file contradicts itself."""

    row: str
    origin: str
    what: tuple[str, ...]
    case: Case | None = None
    outcomes: tuple[tuple[str, Outcome], ...] = ()

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"operation": self.row, "case": self.origin, "what": list(self.what)}
        if self.case is not None:
            found["inputs"] = self.case.inputs
            if self.case.expected is not None:
                found["expected"] = self.case.expected
            else:
                found["expected"] = {"refused": sorted(self.case.refused or ["any reason"])}
            found["outcomes"] = dict(self.outcomes)
        return found


@dataclass
class Row:
    cases: int = 0
    disagreements: int = 0


@dataclass
class Result:
    rows: dict[str, Row] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)

    def add(self, found: Disagreement) -> None:
        self.disagreements.append(found)
        self.rows.setdefault(found.row, Row()).disagreements += 1

    def extend(self, other: "Result") -> None:
        for name, row in other.rows.items():
            own = self.rows.setdefault(name, Row())
            own.cases += row.cases
            own.disagreements += row.disagreements
        self.disagreements += other.disagreements
        self.uncovered += other.uncovered


def _wrong(case: Case, name: str, outcome: Outcome) -> list[str]:
    """What is wrong with one backend's outcome by the file."""
    if "error" in outcome:
        return [f"{name}: {outcome['error']}"]
    if case.expected is None:
        if "refused" not in outcome:
            return [f"{name} accepts it"]
        if case.refused is not None and outcome["refused"] not in case.refused:
            wanted = " or ".join(sorted(case.refused))
            return [f"{name} refuses it for the reason {outcome['refused']!r}, not {wanted!r}"]
        return []
    if "ok" not in outcome:
        return [f"{name} refuses it for the reason {outcome['refused']!r}"]
    found = outcome["ok"]
    return [
        f"{name}: {key} is {found.get(key)!r}, not {value!r}"
        for key, value in case.expected.items()
        if found.get(key) != value
    ]


def compare(case: Case, outcomes: list[tuple[str, Outcome]]) -> Disagreement | None:
    what = [text for name, outcome in outcomes for text in _wrong(case, name, outcome)]
    if not what:
        # What the file does not say must at least be the same everywhere.
        first, same = outcomes[0]
        what = [f"{name} differs from {first}" for name, outcome in outcomes[1:] if outcome != same]
    return Disagreement(case.row, case.origin, tuple(what), case, tuple(outcomes)) if what else None


def check(found: Cases, runners: Sequence[Runner], step: Callable[[], None] = lambda: None) -> Result:
    """Runs all cases. `step` is called after each."""
    result = Result(uncovered=list(found.uncovered))
    for row, origin, what in found.problems:
        result.add(Disagreement(row, origin, (what,)))
    for case in found.cases:
        result.rows.setdefault(case.row, Row()).cases += 1
        outcomes = [(runner.name, runner.run(case.operation, case.inputs)) for runner in runners]
        wrong = compare(case, outcomes)
        if wrong is not None:
            result.add(wrong)
        step()
    return result
