"""Secrets at rest: what is sealed opens only in its place and with its passphrase, and files are their owner's alone."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from authority_house import COST, PASSPHRASE, House
from microseal import errors
from microseal.errors import Refused
from microseal_host.authority import claims, database, founding, keyring, registry
from microseal_host.authority.vault import open_vault
from microseal_host.cli import claiming
from microseal_host.failure import DENIED, NOT_READY, Failure


def test_a_secret_opens_in_its_place_alone() -> None:
    ring, _ = keyring.create(PASSPHRASE, COST)
    sealed = ring.seal(b"secret", "table", "row", "column")
    assert ring.open(sealed, "table", "row", "column") == b"secret"
    for place in (
        ("table", "other", "column"),
        ("table", "row"),
        ("table", "rowcolumn", ""),
        ("tablerow", "", "column"),
    ):
        with pytest.raises(Failure, match="altered"):
            ring.open(sealed, *place)


def test_an_altered_secret_does_not_open() -> None:
    ring, _ = keyring.create(PASSPHRASE, COST)
    sealed = ring.seal(b"secret", "t")
    for at in range(len(sealed)):
        with pytest.raises(Failure):
            ring.open(sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :], "t")
    for wrong in (b"", sealed[:-1], sealed + b"\0"):
        with pytest.raises(Failure):
            ring.open(wrong, "t")


def test_the_passphrase_unlocks() -> None:
    ring, wrapped = keyring.create(PASSPHRASE, COST)
    sealed = ring.seal(b"secret", "t")
    assert keyring.unlock(wrapped, PASSPHRASE).open(sealed, "t") == b"secret"
    with pytest.raises(Failure, match="wrong passphrase") as caught:
        keyring.unlock(wrapped, PASSPHRASE + " ")
    assert caught.value.code == DENIED


def test_two_keyrings_of_one_passphrase_have_nothing_in_common() -> None:
    one, first = keyring.create(PASSPHRASE, COST)
    other, second = keyring.create(PASSPHRASE, COST)
    assert first.salt != second.salt
    with pytest.raises(Failure):
        other.open(one.seal(b"secret", "t"), "t")


@pytest.mark.parametrize("cost", [0, 2, 2**9, 1000, 2**21, 2**40])
def test_a_cost_that_was_altered_is_refused(cost: int) -> None:
    _, wrapped = keyring.create(PASSPHRASE, COST)
    with pytest.raises(Failure, match="altered"):
        keyring.unlock(keyring.Wrapped(wrapped.salt, cost, wrapped.box), PASSPHRASE)


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    house.claim("a")
    for path in house.path.parent.glob("microseal.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    house.path.chmod(0o640)
    with pytest.raises(Failure, match="open to other users") as caught:
        database.open_existing(str(house.path))
    assert caught.value.hint == f"chmod 600 {house.path}"


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    with pytest.raises(Failure, match="wrong passphrase"), house.database.read() as connection:
        open_vault(connection, "not the passphrase")


def test_no_secret_stands_in_the_database(tmp_path: Path) -> None:
    """Every private value that the authority knows, looked for in all files of the database, raw and in hexadecimal."""
    house = House(tmp_path / "house")
    text = house.claim("a")
    member = house.device("b")
    house.enrol(member)
    house.group("g", b="ps")
    house.review()
    secrets = {
        "d_CA": house.vault.private,
        "d_A": house.vault.signer.private,
        "claim": bytes.fromhex(text.split('"claim": "')[1][:64]),
        "seed": bytes.fromhex(text.split('"seed": "')[1][:64]),
        "passphrase": PASSPHRASE.encode(),
    }
    house.deliver(member)
    for role, key in member.groups.by_gid[b"g"].current.keys.items():
        secrets[f"group key {role}"] = key
    content = b"".join(path.read_bytes() for path in house.path.parent.glob("microseal.db*"))
    assert house.vault.anchor.public in content  # the search finds what is there
    for name, secret in secrets.items():
        assert secret not in content, name
        assert secret.hex().encode() not in content, name


def _edit(house: House, statement: str, *values: object) -> None:
    house.database.close()
    connection = sqlite3.connect(house.path)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_swapped_rows_are_noticed(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    house.claim("a")
    house.claim("b")
    _edit(house, "update claims set claim = (select claim from claims c where c.device != claims.device)")
    with pytest.raises(Failure, match="altered"), house.database.read() as connection:
        list(claims.unlocked_claims(connection, house.vault.keyring, "a", 0))


def test_another_authority_key_is_noticed(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    other = House(tmp_path / "other")
    _edit(house, "update authority set public = ?", other.vault.anchor.public)
    with pytest.raises(Failure, match="do not match"), house.database.read() as connection:
        open_vault(connection, PASSPHRASE)


def test_a_second_authority_does_not_replace_the_first(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    before = house.path.read_bytes()
    with pytest.raises(Failure, match="already"):
        founding.found(str(house.path), founding.Settings(1, {}, cost=COST), PASSPHRASE)
    assert house.path.read_bytes() == before


def test_founding_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    House(tmp_path / "house")
    path = tmp_path / "new.db"

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(founding.board, "put", full)
    with pytest.raises(OSError, match="no space"):
        founding.found(str(path), founding.Settings(1, {}, cost=COST), PASSPHRASE)
    assert list(tmp_path.glob("new.db*")) == []


def test_what_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no authority in") as caught:
        database.open_existing(str(tmp_path / "absent.db"))
    assert caught.value.code == NOT_READY
    path = tmp_path / "text.db"
    path.write_text("this is a text, and a long enough one for a header of a database file " * 10)
    path.chmod(0o600)
    with pytest.raises(Failure, match="cannot use the database"):
        database.open_existing(str(path))
    empty = tmp_path / "empty.db"
    empty.touch(mode=0o600)
    with pytest.raises(Failure, match="no authority in"):
        database.open_existing(str(empty))


def test_a_claim_file_never_names_another_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write to the database, but has no passphrase, would have every new device to itself."""
    house, other = House(tmp_path / "house"), House(tmp_path / "other")
    monkeypatch.setenv("MICROSEAL_PASSPHRASE", PASSPHRASE)
    wanted = claiming.Wanted(["a"], lambda device: tmp_path / device)
    _edit(house, "update authority set public = ?", other.vault.anchor.public)
    with pytest.raises(Failure, match="do not match"):
        claiming.make(str(house.path), None, wanted)
    assert not (tmp_path / "a").exists()
    _edit(house, "update authority set public = ?", house.vault.anchor.public)
    _edit(house, "update signers set cert = ?", other.vault.signer.cert.raw)
    with pytest.raises(Refused, match=errors.ISSUER):
        claiming.make(str(house.path), None, wanted)


def test_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    house.group("g")
    _edit(house, "drop table deleted")
    _edit(house, "update schema_version set version = 1")
    for _ in range(2):
        store = database.open_existing(str(house.path))
    with store.write() as connection:
        registry.delete_group(connection, "g")
        assert registry.list_groups(connection) == []


def test_another_schema_version_is_left_alone(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    _edit(house, "update schema_version set version = 99")
    with pytest.raises(Failure, match="schema version 99"):
        database.open_existing(str(house.path))


def test_an_unknown_kind_of_database() -> None:
    with pytest.raises(Failure, match="no driver"):
        database.open_existing("nosuch://host/name")


def test_a_reader_has_one_view(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    with house.database.read() as connection:
        before = registry.revision(connection)
        house.group("g")
        assert registry.revision(connection) == before and registry.list_groups(connection) == []
