"""Enrolments that wait until an operator has approved them, and revocation in every group of a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authority_house import House, connected, epoch_of, eventually, running
from microseal import errors
from microseal.errors import Refused
from microseal.member import Member
from microseal_host.authority import database, registry, requests, schema
from microseal_host.failure import NEGATIVE, USAGE, Failure
from microseal_host.mqtt import Address
from microseal_host.sim.broker import Broker
from test_authority_service import _clear
from test_cli import Desk, desk  # noqa: F401


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house", approval=True)


@pytest.fixture
def wired(tmp_path: Path, broker: Broker) -> Iterator[Callable[..., House]]:
    """Makes a House at the broker; what it has retained there is gone afterwards."""
    address = Address(broker.host, broker.port)
    yield lambda **settings: House(tmp_path / "house", address, **settings)
    _clear(address)


def decide(house: House, device: str, approve: bool = True) -> None:
    with house.database.write() as connection:
        registry.decide(connection, device, approve)


def pending(house: House) -> list[str]:
    with house.database.read() as connection:
        return [device for device, _ in registry.pending(connection)]


def state(house: House, device: str) -> str:
    with house.database.read() as connection:
        return {each.id: each.state for each in registry.list_devices(connection, int(time.time()))}[device]


def request_of(member: Member) -> tuple[bytes, bytes]:
    member.tick()
    (sent,) = member.take_outgoing()
    return sent


def test_a_request_waits_until_it_is_approved(house: House) -> None:
    member = house.device("a")
    topic, request = request_of(member)
    for _ in range(3):
        assert house.answer(topic, request) is None
    assert pending(house) == ["a"] and state(house, "a") == registry.PENDING
    decide(house, "a")
    assert pending(house) == []
    answer = house.answer(topic, request)
    assert answer is not None and house.answer(topic, request) == answer
    member.control(*answer)
    house.exchange(member)
    assert member.enrolled and state(house, "a") == registry.ACTIVE


def test_what_was_approved_is_answered_unasked(house: House) -> None:
    member = house.device("a")
    topic, request = request_of(member)
    house.answer(topic, request)
    with house.database.write() as connection:
        assert requests.grant(connection, house.vault, int(time.time())) == []
    decide(house, "a")
    with house.database.write() as connection:
        ((device, reply),) = requests.grant(connection, house.vault, int(time.time()))
        assert requests.grant(connection, house.vault, int(time.time())) == []
    assert device == "a" and house.answer(topic, request) == (b"microseal/reply/a", reply)


def test_a_rejected_request_is_refused_until_there_is_another_claim(house: House) -> None:
    topic, request = request_of(house.device("a"))
    house.answer(topic, request)
    decide(house, "a", approve=False)
    assert state(house, "a") == registry.REJECTED
    with pytest.raises(Refused, match=errors.CLAIM):
        house.answer(topic, request)
    with pytest.raises(Failure, match="waits"):
        decide(house, "a")
    again = house.device("a", again=True)
    with pytest.raises(Refused, match=errors.CLAIM):
        house.answer(topic, request)
    assert house.answer(*request_of(again)) is None
    assert pending(house) == ["a"]


def test_another_request_on_the_claim_of_a_waiting_one_is_refused(house: House) -> None:
    """Whoever has seen the claim file cannot slip its own key under the approval."""
    import json

    from microseal.identity import claim_request, make_request
    from microseal_host.authority.vault import random_scalar

    claim = bytes.fromhex(json.loads(house.claim("a"))["claim"])
    first, second = (
        claim_request(1, make_request(1, b"a", random_scalar(1), random_scalar(1)), claim) for _ in range(2)
    )
    assert house.answer(b"microseal/enroll/a", first) is None
    with pytest.raises(Refused, match=errors.CLAIM):
        house.answer(b"microseal/enroll/a", second)
    decide(house, "a")
    with pytest.raises(Refused, match=errors.CLAIM):
        house.answer(b"microseal/enroll/a", second)
    assert house.answer(b"microseal/enroll/a", first) is not None


def test_an_invalid_request_does_not_wait(house: House) -> None:
    topic, request = request_of(house.device("a"))
    with pytest.raises(Refused):
        house.answer(topic, request[:-1] + bytes((request[-1] ^ 1,)))
    assert pending(house) == []


def test_a_claim_may_run_out_while_its_request_waits(house: House) -> None:
    topic, request = request_of(house.device("a"))
    house.answer(topic, request)
    with house.database.write() as connection:
        connection.execute(schema.claims.update().values(not_after=1))
    decide(house, "a")
    assert house.answer(topic, request) is not None


def test_a_revoked_device_does_not_wait_any_more(house: House) -> None:
    topic, request = request_of(house.device("a"))
    house.answer(topic, request)
    decide(house, "a")
    with house.database.write() as connection:
        registry.revoke_device(connection, "a")
    with house.database.write() as connection:
        assert requests.grant(connection, house.vault, int(time.time())) == []
    with pytest.raises(Refused, match=errors.REVOKED):
        house.answer(topic, request)


def test_a_request_slipped_into_the_database_is_not_answered(house: House) -> None:
    """By somebody who can write there, but has no passphrase: the claim behind it is sealed."""
    from microseal.identity import claim_request, make_request
    from microseal_host.authority.vault import random_scalar

    topic, request = request_of(house.device("a"))
    house.answer(topic, request)
    decide(house, "a")
    slipped = claim_request(1, make_request(1, b"a", random_scalar(1), random_scalar(1)), bytes(32))
    with house.database.write() as connection:
        connection.execute(schema.waiting.update().values(request=slipped))
    with pytest.raises(Refused, match=errors.CLAIM):
        house.answer(topic, slipped)
    with house.database.write() as connection:
        assert requests.grant(connection, house.vault, int(time.time())) == []


def test_a_request_that_was_altered_in_the_database_stops_nothing(house: House) -> None:
    for name in "ab":
        house.answer(*request_of(house.device(name)))
        decide(house, name)
    with house.database.write() as connection:
        waiting = schema.waiting
        connection.execute(waiting.update().where(waiting.c.device == "a").values(request=b"altered"))
    with house.database.write() as connection:
        granted = requests.grant(connection, house.vault, int(time.time()))
    assert [device for device, _ in granted] == ["b"]


def test_a_renewal_needs_no_approval(house: House) -> None:
    import os

    from microseal.identity import make_request, renew_request
    from microseal_host.authority.vault import random_scalar

    member = house.device("a")
    topic, request = request_of(member)
    house.answer(topic, request)
    decide(house, "a")
    member.control(*house.answer(topic, request))
    renewal = renew_request(member.me, make_request(1, b"a", random_scalar(1), random_scalar(1)), os.urandom(32))
    assert house.answer(topic, renewal) is not None


def test_approved_at_the_desk_and_enrolled_over_the_broker(wired: Callable[..., House], desk: Desk) -> None:  # noqa: F811
    house = wired(approval=True)
    member, other = house.device("approval-a"), house.device("approval-b")
    where = ("--database", house.where)
    with running(house), connected(house, member) as client, connected(house, other) as second:

        def step() -> None:
            client.step(0.05)
            second.step(0.05)

        assert eventually(lambda: len(desk.json("device", "pending", *where)) == 2, step=step)
        assert "approval-a" in desk.run("device", "pending", *where)
        assert desk.json("device", "reject", "approval-b", *where) == [{"id": "approval-b"}]
        assert desk.json("device", "approve", "--all", *where) == [{"id": "approval-a"}]
        start = time.monotonic()
        assert eventually(lambda: member.enrolled, step=step)
        assert time.monotonic() - start < 5, "it need not wait until it asks again"
        assert not other.enrolled
    desk.run("device", "approve", "approval-b", *where, code=NEGATIVE)
    desk.run("device", "approve", *where, code=USAGE)
    desk.run("device", "approve", "approval-a", "--all", *where, code=USAGE)


def test_init_says_whether_approval_is_needed(desk: Desk) -> None:  # noqa: F811
    desk.run("init", "--approval")
    store = database.open_existing("microseal.db")
    with store.read() as connection:
        assert connection.execute(schema.authority.select()).one().approval is True
    store.close()


def test_revocation_reaches_every_group_within_seconds(wired: Callable[..., House]) -> None:
    house = wired()
    a, b = house.device("two-a"), house.device("two-b")
    for gid in ("two-g", "two-h"):
        house.group(gid, two_a="ps", two_b="ps")
    with running(house), connected(house, a) as first, connected(house, b) as second:

        def step() -> None:
            first.step(0.02)
            second.step(0.02)

        def both(member: Member, least: int) -> bool:
            return all(epoch_of(member, gid) >= least for gid in ("two-g", "two-h"))

        # Both in the same epoch: whoever enrolled later brought one of its own.
        assert eventually(
            lambda: both(a, 1) and all(epoch_of(a, gid) == epoch_of(b, gid) for gid in ("two-g", "two-h")), step=step
        )
        assert eventually(a.can_seal, step=step)
        before = {gid: epoch_of(b, gid) for gid in ("two-g", "two-h")}
        sealed = {gid: a.seal(f"{gid}/t/x".encode(), b"m") for gid in before}
        start = time.monotonic()
        with house.database.write() as connection:
            registry.revoke_device(connection, "two-a")
        assert eventually(lambda: all(epoch_of(b, gid) == before[gid] + 1 for gid in before), step=step)
        assert time.monotonic() - start < 5
        assert eventually(lambda: not any(epoch_of(a, gid) for gid in before), step=step)
        for gid, raw in sealed.items():
            with pytest.raises(Refused):
                b.open(f"{gid}/t/x".encode(), raw)


def test_postgresql_goes_by_the_driver_that_the_extra_installs() -> None:
    assert database.parse("postgresql://host/name").drivername == "postgresql+psycopg"
    assert database.parse("postgresql+pg8000://host/name").drivername == "postgresql+pg8000"
