"""Enrolment, share and time as the authority answers them, without a broker: what is honoured, and what is refused why."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from authority_house import House
from microseal import crypto, errors
from microseal.errors import Refused
from microseal.group import make_ask
from microseal.identity import Identity, Request, Signer, claim_request, make_request, make_share, renew_request
from microseal.wire import hexkid
from microseal_host.authority import board, registry, requests, schema, vault
from microseal_host.issuing import DrawAgain

ENROLL, SHARE, CLOCK, ASK = (f"microseal/{kind}/".encode() for kind in ("enroll", "share", "clock", "ask"))


@pytest.fixture(params=[1, 2], ids=["suite1", "suite2"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> House:
    return House(tmp_path / "house", suite=request.param)


def refused(reason: str, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert caught.value.reason == reason


def _claim_of(text: str) -> bytes:
    import json

    return bytes.fromhex(json.loads(text)["claim"])


def _request(house: House, device: str, claim: bytes) -> bytes:
    suite = house.vault.suite
    r, g = vault.random_scalar(suite), vault.random_scalar(suite)
    return claim_request(suite, make_request(suite, device.encode(), r, g), claim)


def test_a_device_enrols_and_shares(house: House) -> None:
    member = house.enrol(house.device("pump-3"))
    assert member.enrolled
    with house.database.read() as connection:
        device = registry.list_devices(connection, int(time.time()))[0]
    assert (device.id, device.state, device.kid) == ("pump-3", registry.ACTIVE, member.me.kid.hex())
    assert house.board()[f"microseal/cert/{device.kid}"] == member.me.cert.raw


def test_the_same_request_gets_the_same_reply(house: House) -> None:
    request = _request(house, "a", _claim_of(house.claim("a")))
    first = house.answer(ENROLL + b"a", request)
    assert house.answer(ENROLL + b"a", request) == first
    with house.database.read() as connection:
        assert len(connection.execute(select(schema.certificates)).all()) == 1


def test_another_request_on_a_used_claim_is_refused(house: House) -> None:
    claim = _claim_of(house.claim("a"))
    house.answer(ENROLL + b"a", _request(house, "a", claim))
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _request(house, "a", claim))


def test_a_claim_is_for_its_device_alone(house: House) -> None:
    claim = _claim_of(house.claim("a"))
    house.claim("b")
    refused(errors.CLAIM, house.answer, ENROLL + b"b", _request(house, "b", claim))
    refused(errors.NAME, house.answer, ENROLL + b"b", _request(house, "a", claim))
    refused(errors.UNKNOWN, house.answer, ENROLL + b"c", _request(house, "c", claim))


def test_without_a_claim_nothing_is_issued(house: House) -> None:
    house.claim("a")
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _request(house, "a", bytes(32)))
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _request(house, "a", bytes(32))[:-32])


def test_a_new_claim_withdraws_the_one_before(house: House) -> None:
    first = _claim_of(house.claim("a"))
    second = _claim_of(house.claim("a", again=True))
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _request(house, "a", first))
    house.answer(ENROLL + b"a", _request(house, "a", second))


def test_an_expired_claim_is_refused(house: House) -> None:
    claim = _claim_of(house.claim("a"))
    with house.database.write() as connection:
        connection.execute(schema.claims.update().values(not_after=int(time.time()) - 1))
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _request(house, "a", claim))


def test_a_refused_request_uses_nothing_up(house: House) -> None:
    claim = _claim_of(house.claim("a"))
    good = _request(house, "a", claim)
    for wrong in (good[:-1] + bytes((good[-1] ^ 1,)), good + b"\0", good[:-1], b"", b"\0" * 172, b"\0" * 5000):
        with pytest.raises(Refused):
            house.answer(ENROLL + b"a", wrong)
    house.answer(ENROLL + b"a", good)


def test_the_other_suite_is_refused(house: House) -> None:
    other = 3 - house.vault.suite
    claim = _claim_of(house.claim("a"))
    one = b"\0" * 31 + b"\1"
    request = claim_request(other, make_request(other, b"a", one, one), claim)
    refused(errors.SUITE, house.answer, ENROLL + b"a", request)


def test_a_degenerate_draw_is_repeated(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    real = vault.issuing.issue

    def unlucky(*arguments: object) -> object:
        draws.append(arguments[3])
        if len(draws) < 3:
            raise DrawAgain
        return real(*arguments)

    monkeypatch.setattr(vault.issuing, "issue", unlucky)
    house.enrol(house.device("a"))
    assert len(set(draws)) == 3


def test_a_kid_that_is_taken_is_drawn_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 bits of a hash meet once in a while; that must not lose a device, nor take another one's place."""
    draws: list[bytes] = []

    def scalar(suite: int) -> bytes:
        draws.append(b"\1" * 31 + bytes((len(draws) % 2,)))
        return draws[-1]

    request = _request(house, "a", _claim_of(house.claim("a")))
    monkeypatch.setattr(vault, "random_scalar", scalar)
    first = house.answer(ENROLL + b"a", request)
    with house.database.write() as connection:
        # As if that certificate were another device's, and the same bytes came up for this one.
        registry.add_device(connection, "b", False)
        connection.execute(schema.certificates.update().values(device="b"))
        connection.execute(schema.claims.update().values(used=None))
        row = connection.execute(select(schema.certificates)).one()
        draws.clear()
        second, _ = requests.enroll(connection, house.vault, b"a", request, row.issued)
        rows = connection.execute(select(schema.certificates).order_by(schema.certificates.c.serial)).all()
    assert len(draws) == 2, "the first draw made the kid that there was already"
    assert first is not None and second != first[1]
    assert [each.device for each in rows] == ["b", "a"] and rows[0].cert == row.cert


# Share


def test_a_share_is_taken_once_and_may_be_sent_again(house: House) -> None:
    member = house.device("a")
    house.exchange(member)
    member.tick()
    (topic, box), *_ = member.take_outgoing()
    assert topic == SHARE + hexkid(member.me.kid)
    house.answer(topic, box)
    house.answer(topic, box)
    refused(errors.DECRYPTION, house.answer, topic, box[:-1] + bytes((box[-1] ^ 1,)))
    with house.database.read() as connection:
        sealed = connection.execute(select(schema.certificates.c.share)).scalar_one()
    x = house.vault.keyring.open(sealed, "certificates", member.me.kid.hex(), "share")
    total = crypto.core.mul_add(house.vault.suite, b"\0" * 31 + b"\1", member.me.public, member.me.cert.share_point)
    assert crypto.core.base_mul(house.vault.suite, x) == total


def test_shares_that_are_refused(house: House) -> None:
    member, other = house.device("a"), house.device("b")
    house.exchange(member)
    house.exchange(other)
    topic = SHARE + hexkid(member.me.kid)
    other.tick()
    (_, foreign), *_ = other.take_outgoing()
    refused(errors.DECRYPTION, house.answer, topic, foreign)
    # A g of its own choice: the box opens, but is not what the certificate says.
    refused(errors.KEY, house.answer, topic, make_share(member.me, b"\0" * 31 + b"\7"))
    refused(errors.LENGTH, house.answer, topic, bytes(47))
    refused(errors.LENGTH, house.answer, topic, bytes(49))
    refused(errors.UNKNOWN, house.answer, SHARE + b"0123456789abcdef", bytes(48))
    for kid in (b"", b"0123456789ABCDEF", b"0123456789abcde", b"..-..-etc-passwd", b"\xff" * 16):
        refused(errors.NAME, house.answer, SHARE + kid, bytes(48))


def test_revoked_and_expired_certificates_are_not_served(house: House) -> None:
    member, other = house.device("a"), house.device("b")
    house.exchange(member)
    house.exchange(other)
    with house.database.write() as connection:
        registry.revoke_device(connection, "a")
        connection.execute(schema.certificates.update().where(schema.certificates.c.device == "b").values(not_after=1))
    for each, reason in ((member, errors.REVOKED), (other, errors.EXPIRED)):
        each.tick()
        ((topic, box),) = each.take_outgoing()
        refused(reason, house.answer, topic, box)


def test_a_revoked_device_gets_no_reply_again(house: House) -> None:
    request = _request(house, "a", _claim_of(house.claim("a")))
    house.answer(ENROLL + b"a", request)
    with house.database.write() as connection:
        registry.revoke_device(connection, "a")
    refused(errors.REVOKED, house.answer, ENROLL + b"a", request)
    # Back in, by a new claim: the old request is still as revoked as its certificate.
    claim = _claim_of(house.claim("a", again=True))
    refused(errors.REVOKED, house.answer, ENROLL + b"a", request)
    house.answer(ENROLL + b"a", _request(house, "a", claim))


# Renewal


def _renewal(house: House, me: Identity, device: str = "a") -> bytes:
    suite = house.vault.suite
    r, g = vault.random_scalar(suite), vault.random_scalar(suite)
    return renew_request(me, make_request(suite, device.encode(), r, g), os.urandom(32))


def test_a_certificate_is_renewed_by_the_key_that_it_replaces(house: House) -> None:
    member = house.enrol(house.device("a"))
    request = _renewal(house, member.me)
    first = house.answer(ENROLL + b"a", request)
    assert house.answer(ENROLL + b"a", request) == first, "sent again, it gets the stored reply"
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _renewal(house, member.me))  # it is not the current one any more
    with house.database.read() as connection:
        assert len(connection.execute(select(schema.certificates)).all()) == 2


def test_renewals_that_are_refused(house: House) -> None:
    member, other = house.enrol(house.device("a")), house.enrol(house.device("b"))
    good = _renewal(house, member.me)
    refused(errors.SIGNATURE, house.answer, ENROLL + b"a", good[:-1] + bytes((good[-1] ^ 1,)))
    refused(errors.CLAIM, house.answer, ENROLL + b"a", _renewal(house, other.me))
    refused(errors.CLAIM, house.answer, ENROLL + b"b", _renewal(house, member.me, "b"))
    house.claim("c")
    refused(errors.CLAIM, house.answer, ENROLL + b"c", _renewal(house, member.me, "c"))
    with house.database.write() as connection:
        connection.execute(schema.certificates.update().where(schema.certificates.c.device == "b").values(revoked=1))
    refused(errors.REVOKED, house.answer, ENROLL + b"b", _renewal(house, other.me, "b"))
    with pytest.raises(Refused, match="expired"), house.database.write() as connection:
        requests.enroll(connection, house.vault, b"a", good, member.me.cert.not_after + 1)
    house.answer(ENROLL + b"a", good)


# Asks


def test_who_asks_gets_its_key_packets_again(house: House) -> None:
    member = house.enrol(house.device("a"))
    house.enrol(house.device("b"))
    house.group("g", a="ps", b="s")
    house.review()
    with house.database.write() as connection:
        board.published(connection, board.dirty(connection, 1000))
    assert house.board() == {}
    now = int(time.time())
    topic = ASK + hexkid(member.me.kid)
    house.answer(topic, make_ask(member.me, b"g", 0, now, bytes(32)))
    kid = member.me.kid.hex()
    assert sorted(house.board()) == [board.key_topic("g", kid, 1), board.key_topic("g", kid, 2)]
    refused(errors.TIME, house.answer, topic, make_ask(member.me, b"g", 0, now, bytes(32)))
    house.answer(topic, make_ask(member.me, b"g", 0, now + 1, bytes(32)))


def test_asks_that_are_refused(house: House) -> None:
    member, other = house.enrol(house.device("a")), house.enrol(house.device("b"))
    house.group("g", b="s")
    house.review()
    now = int(time.time())
    topic = ASK + hexkid(member.me.kid)
    refused(errors.ROLE, house.answer, topic, make_ask(member.me, b"g", 0, now, bytes(32)))
    refused(errors.ROLE, house.answer, topic, make_ask(member.me, b"h", 0, now, bytes(32)))
    refused(errors.SIGNATURE, house.answer, topic, make_ask(other.me, b"g", 0, now, bytes(32)))
    refused(errors.TIME, house.answer, topic, make_ask(member.me, b"g", 0, now - 130, bytes(32)))
    refused(errors.LENGTH, house.answer, topic, bytes(200))
    refused(errors.UNKNOWN, house.answer, ASK + b"0123456789abcdef", make_ask(member.me, b"g", 0, now, bytes(32)))
    with house.database.write() as connection:
        registry.revoke_device(connection, "b")
    ask = make_ask(other.me, b"g", 0, now, bytes(32))
    refused(errors.REVOKED, house.answer, ASK + hexkid(other.me.kid), ask)


# Time


def test_signed_time(house: House) -> None:
    member = house.enrol(house.device("a"))
    challenge = os.urandom(16)
    answer = house.answer(CLOCK + hexkid(member.me.kid), challenge)
    assert answer is not None and answer[0] == b"microseal/time/" + hexkid(member.me.kid)
    signer = Signer(house.vault.anchor, house.vault.signer.cert.raw)
    signer.check(b"time", challenge, answer[1][:4], answer[1][4:])
    assert abs(int.from_bytes(answer[1][:4], "big") - time.time()) < 5
    refused(errors.LENGTH, house.answer, CLOCK + hexkid(member.me.kid), challenge[:-1])
    refused(errors.UNKNOWN, house.answer, CLOCK + b"0123456789abcdef", challenge)


# Any bytes


@given(
    kind=st.sampled_from([ENROLL, SHARE, CLOCK, ASK]),
    subject=st.binary(max_size=40) | st.sampled_from([b"a", b"b"]),
    payload=st.binary(max_size=200),
)
@settings(max_examples=300)
def test_any_bytes_are_refused_and_change_nothing(kind: bytes, subject: bytes, payload: bytes) -> None:
    house = _shared_house()
    if b"/" in subject:
        subject = subject.replace(b"/", b"-")
    before = _count(house)
    with pytest.raises(Refused):
        house.answer(kind + subject, payload)
    assert _count(house) == before


@given(data=st.data())
@settings(max_examples=300)
def test_mutated_requests_are_refused_and_change_nothing(data: st.DataObject) -> None:
    house = _shared_house()
    good = _HOUSE["request"]
    assert isinstance(good, bytes)
    at = data.draw(st.integers(0, len(good) - 1))
    value = data.draw(st.integers(1, 255))
    before = _count(house)
    with pytest.raises(Refused):
        house.answer(ENROLL + b"a", good[:at] + bytes((good[at] ^ value,)) + good[at + 1 :])
    assert _count(house) == before


_HOUSE: dict[str, object] = {}


def _shared_house() -> House:
    """One for all examples; nothing may change in it."""
    if "house" not in _HOUSE:
        import tempfile

        _HOUSE["folder"] = folder = tempfile.TemporaryDirectory()
        _HOUSE["house"] = house = House(Path(folder.name) / "house")
        _HOUSE["request"] = _request(house, "a", _claim_of(house.claim("a")))
        house.enrol(house.device("b"))
    house = _HOUSE["house"]
    assert isinstance(house, House)
    return house


def _count(house: House) -> list[object]:
    with house.database.read() as connection:
        return [
            connection.execute(select(table)).all()
            for table in (schema.certificates, schema.claims, schema.devices, schema.retained, schema.state)
        ]


def test_who_is_revoked_while_it_renews_has_no_certificate_left(house: House) -> None:
    """Two transactions at a time, as PostgreSQL would let them run (MICROSEAL_TEST_SERVER): the later one waits for the other."""
    house.enrol(house.device("a"))
    request = Request(
        make_request(house.vault.suite, b"a", *(vault.random_scalar(house.vault.suite) for _ in range(2)))
    )

    def revoke() -> None:
        with house.database.write() as connection:
            registry.revoke_device(connection, "a")

    operator = threading.Thread(target=revoke)
    with house.database.write() as connection:
        requests._certify(connection, house.vault, request, "digest", int(time.time()), 2**31)
        operator.start()
        operator.join(0.2)
    operator.join()
    with house.database.read() as connection:
        revoked = list(connection.execute(select(schema.certificates.c.revoked)).scalars())
    assert len(revoked) == 2 and None not in revoked
