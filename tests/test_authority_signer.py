"""The signer's certificate, replaced in time: members change over by themselves, whenever they come."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from authority_house import House, epoch_of
from microseal.clock import TickClock
from microseal.identity import SIGNER, Certificate, Signer
from microseal.member import Member
from microseal.provisioning import install
from microseal.revocation import Revoked
from microseal.store import Store
from microseal_host.authority import board, registry, schema, signing

DAY = 86400


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


def age(house: House) -> None:
    """As if the signer had been made so long ago that it is to be replaced; it is good for a year still."""
    now = int(time.time())
    made = now - 10 * 365 * DAY
    with house.database.write() as connection:
        connection.execute(schema.signers.update().values(made=made, not_after=now + 300 * DAY))
        # Made this very second in truth: the next one is to run out later than that.
        connection.execute(schema.authority.update().values(signer_lifetime=3651 * DAY))


def signer_of(member: Member) -> bytes:
    return member._trust.signer.cert.raw


def test_it_is_replaced_well_before_it_runs_out(house: House) -> None:
    until = house.vault.signer.cert.not_after
    with house.database.write() as connection:
        assert signing.renew(connection, house.vault, until - 366 * DAY) is None
    with house.database.write() as connection:
        signer = signing.renew(connection, house.vault, until - 364 * DAY)
    assert signer is not None and signer.cert.flags == SIGNER
    assert signer.cert.not_after == until - 364 * DAY + 3650 * DAY
    assert house.board()[board.SIGNER] == signer.cert.raw
    with house.database.read() as connection:
        (row,) = connection.execute(select(schema.signers)).all()
    assert row.kid == signer.kid.hex(), "the private key of the one before is gone"
    assert house.open().signer.private == signer.private


def test_a_short_one_is_replaced_at_three_quarters_of_its_time(tmp_path: Path) -> None:
    house = House(tmp_path / "short", signer_lifetime=4000)
    until = house.vault.signer.cert.not_after
    for before, due in ((1010, False), (990, True)):
        with house.database.write() as connection:
            assert (signing.renew(connection, house.vault, until - before) is not None) == due


def test_at_the_end_of_the_time_there_is_none(house: House) -> None:
    with house.database.write() as connection:
        connection.execute(schema.signers.update().values(not_after=0xFFFFFFFF))
    with house.database.write() as connection:
        assert signing.renew(connection, house.vault, 0xFFFFFFFF - DAY) is None


def test_every_group_gets_an_epoch_of_the_new_signer_and_members_take_it_over(house: House) -> None:
    a, b = (house.enrol(house.device(name)) for name in ("a", "b"))
    house.group("g", a="ps", b="ps")
    house.group("h", a="p", b="s")
    house.review()
    house.deliver(a, b)
    before = signer_of(a)
    age(house)
    assert house.review() == ["g", "h"]
    after = house.vault.signer.cert.raw
    assert after != before
    assert house.review() == [], "once"
    house.deliver(a, b)
    for member in (a, b):
        assert signer_of(member) == after
        assert epoch_of(member, "g") == epoch_of(member, "h") == 2
    with house.database.read() as connection:
        rows = connection.execute(select(schema.epochs)).all()
    assert [(row.chain_publishers, row.chain_subscribers) for row in rows] == [(1, 1)] * 2, "by broadcast"


def test_the_revoked_list_is_signed_anew(house: House) -> None:
    a = house.enrol(house.device("a"))
    with house.database.write() as connection:
        registry.revoke_device(connection, "a")
    house.review()
    before = house.board()[board.REVOKED]
    age(house)
    house.review()
    after = house.board()[board.REVOKED]
    assert after[:4] > before[:4]
    assert a.me.kid in Revoked(Signer(house.vault.anchor, house.vault.signer.cert.raw), after)


def test_what_is_published_first_can_be_checked(house: House) -> None:
    """The signer's certificate goes before all that it signed."""
    house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()
    age(house)
    house.review()
    topics = list(house.board())
    assert topics.index(board.SIGNER) < topics.index(board.REVOKED) < topics.index("microseal/group/g/info")


def test_a_device_with_an_older_claim_file_and_without_a_clock(house: House) -> None:
    """Its claim file names the signer before: the time that the new one signs is the first word of it that it takes."""
    folder = house.folder / "late"
    folder.mkdir()
    install(Store(str(folder)), house.claim("late"))
    age(house)
    house.review()
    member = Member(Store(str(folder)), TickClock(), senders=64)
    house.exchange(member)  # enrols
    house.deliver(member)  # the new signer's certificate
    house.exchange(member)
    house.exchange(member)
    assert abs(member.now() - time.time()) < 10
    assert signer_of(member) == house.vault.signer.cert.raw
    house.group("g", late="ps")
    house.review()
    house.deliver(member)
    assert epoch_of(member, "g") == 1


def test_new_claim_files_have_the_new_signer(house: House) -> None:
    age(house)
    house.review()
    cert = Certificate(bytes.fromhex(json.loads(house.claim("a"))["signer"]))
    assert cert.raw == house.vault.signer.cert.raw
