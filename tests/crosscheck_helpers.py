"""Runs a vector file through chosen backends in this process; outcomes are remembered, so that a changed file costs little."""

import json
from collections.abc import Iterator
from typing import Any

from microseal_host.crosscheck import comparing, vectors
from microseal_host.crosscheck.rejects import cases_of
from microseal_host.crosscheck.runners import Outcome, Runner


class Remembering:
    """A backend that is asked each question once."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[tuple[str, str], Outcome] = {}
        self.name = runner.name
        self.suites = runner.suites

    def run(self, operation: str, inputs: dict[str, Any]) -> Outcome:
        key = operation, json.dumps(inputs, sort_keys=True)
        if key not in self._known:
            self._known[key] = self._runner.run(operation, inputs)
        return self._known[key]

    def close(self) -> None:
        self._runner.close()


def check(content: dict[str, Any], *runners: Runner) -> comparing.Result:
    return comparing.check(cases_of(vectors.check(content, "file")), runners)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value in a file that is neither list nor object, with the way to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def put(content: Any, path: tuple[str | int, ...], value: Any) -> None:
    for step in path[:-1]:
        content = content[step]
    content[path[-1]] = value
