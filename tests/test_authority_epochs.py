"""Groups and their epochs, without a broker: who gets which key, and when there is a new one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import select

from authority_house import House, epoch_of
from microseal.clock import SystemClock
from microseal.group import PUBLISHER, SUBSCRIBER, Info, open_key_packet
from microseal.identity import Certificate, Signer
from microseal.policy import Policy
from microseal.revocation import Revoked
from microseal_host import issuing
from microseal_host.authority import board, epochs, registry, schema
from microseal_host.failure import Failure


@pytest.fixture(params=[1, 2], ids=["suite1", "suite2"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> House:
    return House(tmp_path / "house", suite=request.param)


def info_of(house: House, gid: str) -> Info:
    signer = Signer(house.vault.anchor, house.vault.signer.cert.raw)
    return Info(house.vault.suite, house.board()[f"microseal/group/{gid}/info"], signer)


def check_sums(house: House, gid: str) -> None:
    """Both sums of the current epoch, from the certificates alone."""
    with house.database.read() as connection:
        seats = registry.current_seats(connection, gid)
        known = {row.kid: Certificate(row.cert) for row in connection.execute(select(schema.certificates))}
    holders = {role: [known[kid] for seat, kid in seats if seat == role] for role in (PUBLISHER, SUBSCRIBER)}
    issuing.check_sums(house.vault.anchor, info_of(house, gid), holders[PUBLISHER], holders[SUBSCRIBER])


def test_an_epoch_for_its_members(house: House) -> None:
    a, b, c = (house.enrol(house.device(name)) for name in ("a", "b", "c"))
    house.group("g", a="p", b="s", c="ps")
    assert house.review() == ["g"]
    house.deliver(a, b, c)
    check_sums(house, "g")
    keys = {member: member.groups.by_gid[b"g"].current.keys for member in (a, b, c)}
    assert set(keys[a]) == {PUBLISHER} and set(keys[b]) == {SUBSCRIBER} and set(keys[c]) == {PUBLISHER, SUBSCRIBER}
    assert keys[a][PUBLISHER] == keys[c][PUBLISHER]
    assert keys[b][SUBSCRIBER] == keys[c][SUBSCRIBER]
    assert keys[a][PUBLISHER] != keys[b][SUBSCRIBER]
    assert house.review() == []


def test_only_a_device_whose_share_was_accepted_joins(house: House) -> None:
    member = house.device("a")
    house.exchange(member)
    house.group("g", a="ps")
    assert house.review() == []
    house.exchange(member)
    assert house.review() == ["g"]


def test_all_changes_since_make_one_epoch(house: House) -> None:
    for name in "abcd":
        house.enrol(house.device(name))
    house.group("g", a="p", b="s")
    house.review()
    house.join("g", "c")
    house.join("g", "d")
    with house.database.write() as connection:
        registry.remove_member(connection, "g", "a")
    assert house.review() == ["g"]
    assert info_of(house, "g").epoch == 2
    check_sums(house, "g")


def test_who_left_gets_nothing_and_the_others_new_keys(house: House) -> None:
    a, b, c = (house.enrol(house.device(name)) for name in ("a", "b", "c"))
    house.group("g", a="ps", b="ps", c="s")
    house.review()
    house.deliver(a, b, c)
    before = dict(a.groups.by_gid[b"g"].current.keys)
    assert before == b.groups.by_gid[b"g"].current.keys
    with house.database.write() as connection:
        registry.remove_member(connection, "g", "b")
    house.review()
    packets = {topic: payload for topic, payload in house.board().items() if topic.startswith("microseal/key/g/")}
    for role in (PUBLISHER, SUBSCRIBER):
        assert packets[board.key_topic("g", b.me.kid.hex(), role)] == b"", "the packet of who left is to be cleared"
    assert sorted(topic for topic, payload in packets.items() if payload) == sorted(
        board.key_topic("g", member.me.kid.hex(), role)
        for member, role in ((a, PUBLISHER), (a, SUBSCRIBER), (c, SUBSCRIBER))
    )
    house.deliver(a, b, c)
    after = a.groups.by_gid[b"g"].current.keys
    assert epoch_of(a, "g") == epoch_of(c, "g") == 2
    assert epoch_of(b, "g") == 0, "who left sees that it did"
    assert not set(before.values()) & set(after.values())
    check_sums(house, "g")


def test_a_changed_role_is_a_change(house: House) -> None:
    a, b = (house.enrol(house.device(name)) for name in ("a", "b"))
    house.group("g", a="p", b="ps")
    house.review()
    house.deliver(a, b)
    house.join("g", "b", "s")
    assert house.review() == ["g"]
    house.deliver(a, b)
    assert set(b.groups.by_gid[b"g"].current.keys) == {SUBSCRIBER}
    check_sums(house, "g")


def test_the_last_one_out(house: House) -> None:
    a = house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()
    house.deliver(a)
    with house.database.write() as connection:
        registry.remove_member(connection, "g", "a")
    assert house.review() == ["g"]
    house.deliver(a)
    assert epoch_of(a, "g") == 0
    check_sums(house, "g")
    assert house.review() == []


def test_revocation_changes_every_group_at_once(house: House) -> None:
    a, b = (house.enrol(house.device(name)) for name in ("a", "b"))
    house.group("g", a="ps", b="ps")
    house.group("h", a="s", b="p")
    house.review()
    with house.database.write() as connection:
        assert registry.revoke_device(connection, "a") == 1
    assert house.review() == ["g", "h"]
    revoked = Revoked(Signer(house.vault.anchor, house.vault.signer.cert.raw), house.board()[board.REVOKED])
    assert a.me.kid in revoked and b.me.kid not in revoked
    assert house.board()[board.cert_topic(a.me.kid.hex())] == b""
    check_sums(house, "g")
    check_sums(house, "h")


def test_the_revoked_list_only_goes_up(house: House) -> None:
    for name in "ab":
        house.enrol(house.device(name))
    issued = []
    for name in (None, "a", "b"):
        with house.database.write() as connection:
            if name:
                registry.revoke_device(connection, name)
        house.review()
        house.review()
        issued.append(int.from_bytes(house.board()[board.REVOKED][:4], "big"))
    assert issued == sorted(set(issued)), "three lists within a second have three dates"


def test_an_expired_certificate_leaves(house: House) -> None:
    house.enrol(house.device("a"))
    house.enrol(house.device("b"))
    house.group("g", a="ps", b="ps")
    house.review()
    with house.database.write() as connection:
        connection.execute(
            schema.certificates.update()
            .where(schema.certificates.c.device == "a")
            .values(not_after=int(time.time()) - 1)
        )
    assert house.review() == ["g"]
    with house.database.read() as connection:
        assert {role for role, _ in registry.current_seats(connection, "g")} == {PUBLISHER, SUBSCRIBER}
        assert len({kid for _, kid in registry.current_seats(connection, "g")}) == 1


def test_a_new_certificate_takes_the_place_of_the_old(house: House) -> None:
    old = house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()
    new = house.device("a", again=True)
    house.exchange(new)
    assert house.review() == [], "until its share is accepted, the old one stays"
    house.exchange(new)
    assert house.review() == ["g"]
    with house.database.read() as connection:
        assert {kid for _, kid in registry.current_seats(connection, "g")} == {new.me.kid.hex()}
    house.deliver(old, new)
    assert epoch_of(new, "g") == 2 and epoch_of(old, "g") == 0


def test_a_device_renews_and_stays_in_its_groups(house: House) -> None:
    """From the device's own renewal to the epoch with its new certificate, in which it goes on without a gap."""

    class Later(SystemClock):
        ahead = 0

        def now(self) -> int:
            return super().now() + self.ahead

        def ticks_ms(self) -> int:
            return super().ticks_ms() + self.ahead * 1000

    clock = Later()
    a, b = house.enrol(house.device("a", clock=clock)), house.enrol(house.device("b"))
    house.group("g", a="ps", b="ps")
    house.review()
    house.deliver(a, b)
    before = a.me.kid
    house.exchange(a)
    clock.ahead = 730 * 86400 - 30 * 86400 + 10
    for _ in range(3):
        house.exchange(a)
    clock.ahead = 0
    assert house.review() == ["g"]
    house.deliver(a, b)
    assert a.me.kid != before and epoch_of(a, "g") == epoch_of(b, "g") == 2
    with house.database.read() as connection:
        seated = {kid for _, kid in registry.current_seats(connection, "g")}
    assert seated == {a.me.kid.hex(), b.me.kid.hex()}
    check_sums(house, "g")


def test_an_epoch_is_renewed_at_half_its_time(house: House) -> None:
    house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()
    now = int(time.time())
    assert house.review(now + 43000) == []
    assert house.review(now + 43300) == ["g"]
    assert info_of(house, "g").not_after == now + 43300 + 86400
    assert house.review(now + 43301) == []


def test_a_policy_that_changed_makes_an_epoch(house: House) -> None:
    house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()
    with house.database.write() as connection:
        connection.execute(schema.groups.update().values(policy=Policy(3, 60, 10, [(0, b"g/#")]).encode()))
    assert house.review() == ["g"]
    assert info_of(house, "g").policy.mode == 3


def test_after_its_last_epoch_a_group_is_retired(house: House) -> None:
    house.enrol(house.device("a"))
    house.enrol(house.device("b"))
    house.group("g", a="ps")
    with house.database.write() as connection:
        connection.execute(schema.groups.update().values(epoch=epochs.LAST - 1))
    assert house.review() == ["g"]
    assert info_of(house, "g").epoch == 2**32 - 1
    house.join("g", "b")
    assert house.review() == []


def test_an_altered_share_stops_the_epoch_alone(house: House) -> None:
    """What cannot be opened is an error, never a key without that member."""
    house.enrol(house.device("a"))
    house.group("g", a="ps")
    with house.database.write() as connection:
        connection.execute(schema.certificates.update().values(share=bytes(60)))
    with pytest.raises(Failure, match="altered"):
        house.review()
    assert "microseal/group/g/info" not in house.board()


def test_keys_go_to_the_certificate_and_not_to_what_stands_beside_it(house: House) -> None:
    """Whoever can write to the database puts a key of its own there, and would read the packet that the broker has."""
    a, thief = house.enrol(house.device("a")), house.enrol(house.device("thief"))
    certificates = schema.certificates
    with house.database.write() as connection:
        connection.execute(certificates.update().values(public=thief.me.public))
    house.group("g", a="ps")
    house.review()
    house.deliver(a)
    assert epoch_of(a, "g") == 1
    kid = a.me.kid.hex()
    packets = [board.key_topic("g", kid, role) for role in epochs.ROLES]
    with house.database.write() as connection:
        board.clear(connection, packets)
        epochs.give_keys(connection, house.vault, "g", kid, a.me.cert.raw)
    assert open_key_packet(a.me, info_of(house, "g"), house.board()[packets[0]], PUBLISHER)
    with house.database.write() as connection:
        board.clear(connection, packets)
        connection.execute(certificates.update().where(certificates.c.device == "a").values(cert=thief.me.cert.raw))
    with pytest.raises(Failure, match="altered"), house.database.write() as connection:
        epochs.give_keys(connection, house.vault, "g", kid, thief.me.cert.raw)
    with pytest.raises(Failure, match="altered"):
        house.review(int(time.time()) + 50000)


def test_a_deleted_group_tells_its_members_and_goes(house: House) -> None:
    a = house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()
    house.deliver(a)
    with house.database.write() as connection:
        assert registry.delete_group(connection, "g") == 1
        assert registry.list_groups(connection) == []
        with pytest.raises(Failure, match="no group g"):
            registry.add_member(connection, "g", "a", True, True)
    assert house.review() == ["g"], "who is in it is to be told"
    house.deliver(a)
    assert epoch_of(a, "g") == 0 and b"g" not in a.groups.by_gid
    assert house.review() == []
    # Who was away is told as long as its certificate is good: the epoch without members is renewed as any other.
    now = int(time.time())
    with house.database.read() as connection:
        lifetime = connection.execute(select(schema.authority.c.device_lifetime)).scalar_one()
    assert house.review(now + lifetime - 10) == ["g"]
    with house.database.write() as connection:
        assert epochs.clear_groups(connection, now + lifetime - 10) == 0
    assert house.review(now + lifetime + 100_000) == []
    with house.database.write() as connection:
        assert epochs.clear_groups(connection, now + lifetime + 100_000) == 1
        assert epochs.clear_groups(connection, now + lifetime + 100_000) == 0
    assert not any(payload for topic, payload in house.board().items() if "/g/" in topic)
    # The next one of this name goes on with its numbers, and so its members come to be in it.
    house.group("g", a="p")
    assert house.review() == ["g"]
    house.deliver(a)
    assert epoch_of(a, "g") == 4 and set(a.groups.by_gid[b"g"].current.keys) == {PUBLISHER}


def test_a_group_that_never_was_is_deleted_at_once(house: House) -> None:
    house.group("g")
    with house.database.write() as connection:
        assert registry.delete_group(connection, "g") == 0
    assert house.review() == []
    house.group("h")
    with house.database.write() as connection:  # its topics are free
        registry.create_group(connection, "other", Policy(1, 0, 10, [(0, b"g/t/#")]), 86400)


def test_a_crash_before_the_commit_leaves_the_epoch_before(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.enrol(house.device("a"))
    house.enrol(house.device("b"))
    house.group("g", a="ps")
    house.review()
    before = house.board()
    house.join("g", "b")

    class Cut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise Cut

    monkeypatch.setattr(epochs.board, "put", cut)
    with pytest.raises(Cut):
        house.review()
    monkeypatch.undo()
    assert house.board() == before
    assert house.review() == ["g"]
    assert info_of(house, "g").epoch == 2


def test_rosters_that_stay_are_published_again(house: House) -> None:
    """A member that waits for a roster is subscribed to it already: it would not come again by itself."""
    house.enrol(house.device("a"))
    house.enrol(house.device("b"))
    house.group("g", a="p", b="s")
    house.review()
    with house.database.write() as connection:
        board.published(connection, board.dirty(connection, 1000))
    house.join("g", "b", "ps")
    house.review()
    assert {"microseal/group/g/info", "microseal/group/g/p", "microseal/group/g/s"} <= set(house.board())


def test_a_thousand_members_take_less_than_a_second(tmp_path: Path) -> None:
    """A leave in a group of 1,000, suite 1: the CPU time that the authority spends on it."""
    house = House(tmp_path / "house")
    fill_group(house, "g", 1000)
    assert house.review() == ["g"]
    with house.database.write() as connection:
        board.published(connection, board.dirty(connection, 100000))
        registry.remove_member(connection, "g", "d-0")
    start = time.process_time()
    assert house.review() == ["g"]
    spent = time.process_time() - start
    print(f"a leave in a group of 1,000: {spent:.2f} s of CPU")
    assert spent < 1.0
    check_sums(house, "g")


def fill_group(house: House, gid: str, count: int) -> None:
    """A group of `count` subscribers, one of them a publisher too; enrolled as devices are, without their flash."""
    from microseal.identity import DEVICE, Request, accept_reply, make_request, make_share
    from microseal_host.authority.vault import issue, random_scalar

    vault = house.vault
    rows, devices, members = [], [], []
    for i in range(count):
        r, g = random_scalar(vault.suite), random_scalar(vault.suite)
        request = Request(make_request(vault.suite, f"d-{i}".encode(), r, g))
        _, reply = issue(vault.anchor, vault.private, request, DEVICE, 2**31)
        me = accept_reply(vault.anchor, reply, request.id, r, request.share_point)
        x = issuing.open_share(vault.anchor, vault.private, me.cert, make_share(me, g))
        kid = me.kid.hex()
        devices.append({"id": f"d-{i}", "added": 0})
        rows.append(
            {
                "kid": kid,
                "device": f"d-{i}",
                "cert": me.cert.raw,
                "public": me.public,
                "issued": 0,
                "not_after": 2**31,
                "request": kid,
                "reply": reply,
                "share": vault.keyring.seal(x, "certificates", kid, "share"),
            }
        )
        members.append({"gid": gid, "device": f"d-{i}", "publish": i == 1, "subscribe": True})
    house.group(gid)
    with house.database.write() as connection:
        connection.execute(schema.devices.insert(), devices)
        connection.execute(schema.certificates.insert(), rows)
        connection.execute(schema.members.insert(), members)
