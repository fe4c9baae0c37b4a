"""Every attack, with both suites: the published scheme falls to it, microseal does not, and for the reason meant for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from microseal import crypto
from microseal_host.attacks.catalogue import ATTACKS, run
from microseal_host.attacks.outcome import Attack, got, withstood
from microseal_host.backends import libcrypto
from microseal_host.cli.app import app


@pytest.fixture(autouse=True)
def core() -> Iterator[None]:
    before = crypto.core
    crypto.use(libcrypto)
    yield
    crypto.use(before)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_microseal_withstands(attack: Attack, suite: int) -> None:
    without_paper = Attack(attack.name, attack.title, attack.microseal, attack.reason)
    [result] = run([without_paper], suite)
    assert result.microseal == withstood(attack.reason)


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.published], ids=lambda attack: attack.name)
def test_the_published_scheme_does_not(attack: Attack) -> None:
    assert attack.published is not None
    assert attack.published().succeeded


def test_every_row_of_the_table_is_an_attack_on_both() -> None:
    rows = [attack.row for attack in ATTACKS if attack.row]
    assert rows == list(range(1, 13))
    assert all(attack.published for attack in ATTACKS if attack.row)
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def test_the_documentation_names_them(root: Path) -> None:
    """docs/security.md has the rows with the names by which they are run, and says of every attack what stops it."""
    text = (root / "docs/security.md").read_text()
    table = dict(re.findall(r"^\| (\d+) \|.*`([a-z0-9-]+)` \|$", text, re.MULTILINE))
    assert table == {str(attack.row): attack.name for attack in ATTACKS if attack.row}
    defences = text[text.index("## Where each defence has its test") :]
    assert {attack.name for attack in ATTACKS} <= set(re.findall(r"`([A-Za-z0-9_-]+)`", defences))


# The command


def _invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["attacks", *arguments])
    return result.exit_code, result.stdout


def test_the_command_prints_the_table() -> None:
    code, out = _invoke("forge", "week")
    assert code == 0
    assert "broken: any message in anyone's name" in out
    assert "withstood: time" in out


def test_the_command_knows_its_attacks() -> None:
    assert _invoke("no-such-attack")[0] == 2


def test_the_command_prints_json() -> None:
    code, out = _invoke("forge", "--json", "--suite", "2")
    [entry] = json.loads(out)
    assert code == 0
    assert entry["as_claimed"]
    assert entry["published"]["succeeded"]
    assert entry["microseal"] == {"succeeded": False, "detail": "signature"}


@pytest.mark.parametrize(
    ("microseal", "published"),
    [
        (got("everything"), got("everything")),
        (withstood("another reason"), got("everything")),
        (withstood("signature"), withstood("signature")),
    ],
    ids=["broken", "for another reason", "published not broken"],
)
def test_the_command_fails_if_anything_is_not_as_claimed(
    monkeypatch: pytest.MonkeyPatch, microseal: object, published: object
) -> None:
    attack = Attack("x", "x", lambda world: microseal, "signature", 1, lambda: published)  # type: ignore[arg-type,return-value]
    monkeypatch.setattr("microseal_host.attacks.catalogue.ATTACKS", [attack])
    assert _invoke()[0] == 1
    assert _invoke("--json")[0] == 1
