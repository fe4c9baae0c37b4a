"""Deployments in which anything may happen at any time, with the real authority and real members (sim_deployment.py).

The examples are the same in every run. By itself, and at full length:

    .venv/bin/python -m pytest -s tests/simulation
    .venv/bin/python -m pytest -s tests/simulation --long

A failure prints the steps that lead to it, as few as were found, and a line with which hypothesis runs just these again.
"""

from __future__ import annotations

import pytest
from sim_machine import make_machine, run


@pytest.mark.parametrize(("suite", "examples"), [(1, 6), (2, 2)])
def test_nobody_is_shut_out_and_nobody_who_left_gets_in(suite: int, examples: int, long_run: bool) -> None:
    members, steps = 20, 200
    if long_run:
        members, steps, examples = 200, 1000, 2
    machine = make_machine(suite, members)
    run(machine, examples, steps)
    print(
        f"\nsuite {suite}, {members} members, {examples} deployments, {machine.steps} steps: {machine.epochs} epochs,",
        f"{machine.signers} signers, {machine.fresh} fresh messages and {machine.stale} stale ones delivered; all well at most",
        f"{machine.slowest:.0f} s after the last loss",
    )
    assert machine.steps >= examples * steps // 2, "the deployments ended early"
    assert machine.signers > examples, "no signer was replaced"
    assert machine.epochs >= 3 * examples and machine.fresh > 50 * examples, "too little happened"
