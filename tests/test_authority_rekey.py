"""Rekeying by the rule of section 5: which key goes by broadcast, which by key packets, and that members keep up either way."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from authority_house import House, epoch_of
from microseal import errors
from microseal.clock import SystemClock
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, open_key_packet, open_rekey
from microseal.identity import Signer
from microseal.member import Member
from microseal.policy import Policy
from microseal_host.authority import board, epochs, registry, schema


class Ahead(SystemClock):
    """A clock whose ticks can be put forward: pauses then need no waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks = 0

    def ticks_ms(self) -> int:
        return super().ticks_ms() + self.ticks


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


def plant(house: House, **roles: str) -> dict[str, Member]:
    """A group g in its first epoch, which all of its members have."""
    members = {name: house.enrol(house.device(name, clock=Ahead())) for name in roles}
    house.group("g", **roles)
    house.review()
    house.deliver(*members.values())
    published(house)
    return members


def published(house: House) -> None:
    """The broker has everything: what the board shows from now on is new."""
    with house.database.write() as connection:
        board.published(connection, board.dirty(connection, 10000))


def leave(house: House, device: str) -> None:
    with house.database.write() as connection:
        registry.remove_member(connection, "g", device)


def change_policy(house: House, size: int) -> None:
    with house.database.write() as connection:
        connection.execute(
            schema.groups.update().values(policy=Policy(2, 120, size, [(0, b"g/t/#"), (1, b"g/q/#")]).encode())
        )


def retained(house: House) -> dict[str, bytes]:
    """All that the broker is to hold."""
    with house.database.read() as connection:
        return {row.topic: row.payload for row in connection.execute(select(schema.retained)) if row.payload}


def broadcasts(house: House) -> set[int]:
    """The roles whose broadcast is retained."""
    return {role for role in epochs.ROLES if board.group_topic("g", str(role)) in retained(house)}


def packets(house: House) -> set[tuple[str, int]]:
    """(kid, role) of the key packets that are to be published now."""
    levels = [topic.split("/") for topic, payload in house.board().items() if payload]
    return {(level[3], int(level[4])) for level in levels if level[1] == "key"}


def of(member: Member, *roles: int) -> set[tuple[str, int]]:
    return {(member.me.kid.hex(), role) for role in roles}


def in_step(house: House, *members: Member) -> bool:
    """Whether all are in the epoch in force, with the keys that the authority has."""
    with house.database.read() as connection:
        row = connection.execute(select(schema.epochs)).one()
        keys = {role: epochs.open_key(house.vault, row, role) for role in epochs.ROLES}
    return all(
        epoch_of(each, "g") == row.epoch
        and all(keys[role] == key for role, key in each.groups.by_gid[b"g"].current.keys.items())
        for each in members
    )


def catch_up(house: House, member: Member) -> int:
    """What a device does that was away: takes what is retained, and asks for what it cannot open. The number of asks."""
    asks = 0
    with house.database.write() as connection:
        board.forget_published(connection)
    for _ in range(3):
        house.deliver(member)
        member._clock.ticks += 11000
        member.tick()
        for topic, payload in member.take_outgoing():
            asks += topic.startswith(b"microseal/ask/")
            house.answer(topic, payload)
    published(house)
    return asks


def test_who_joins_gets_key_packets_the_others_a_broadcast(house: House) -> None:
    members = plant(house, a="p", b="s")
    c = house.enrol(house.device("c"))
    house.join("g", "c", "ps")
    house.review()
    assert broadcasts(house) == {PUBLISHER, SUBSCRIBER}
    assert packets(house) == of(c, PUBLISHER, SUBSCRIBER)
    house.deliver(*members.values(), c)
    assert in_step(house, *members.values(), c)


def test_only_the_key_that_somebody_lost_goes_by_packets(house: House) -> None:
    """A publisher leaves: it held d_S. d_P, which it never had, can go by broadcast."""
    members = plant(house, a="p", b="p", c="s", d="ps")
    leave(house, "a")
    house.review()
    assert broadcasts(house) == {SUBSCRIBER}
    assert packets(house) == of(members["b"], PUBLISHER) | of(members["d"], PUBLISHER)
    house.deliver(*members.values())
    assert in_step(house, *(members[name] for name in "bcd"))
    assert epoch_of(members["a"], "g") == 0


def test_a_retained_broadcast_is_cleared_when_it_ends(house: House) -> None:
    members = plant(house, a="ps", b="ps")
    change_policy(house, 10)
    house.review()
    assert broadcasts(house) == {PUBLISHER, SUBSCRIBER} and packets(house) == set()
    house.deliver(*members.values())
    published(house)
    leave(house, "b")
    house.review()
    assert broadcasts(house) == set()
    assert {house.board()[board.group_topic("g", str(role))] for role in epochs.ROLES} == {b""}
    house.deliver(*members.values())
    assert in_step(house, members["a"])


def test_several_changes_in_one_epoch(house: House) -> None:
    """One joins, one leaves as a publisher, one becomes a subscriber too, the policy changes: one epoch."""
    members = plant(house, a="p", b="p", c="s", d="s")
    e = house.enrol(house.device("e", clock=Ahead()))
    house.join("g", "e", "s")
    leave(house, "a")
    house.join("g", "b", "ps")
    change_policy(house, 10)
    assert house.review() == ["g"]
    assert broadcasts(house) == {SUBSCRIBER}
    assert packets(house) == of(e, SUBSCRIBER) | of(members["b"], PUBLISHER, SUBSCRIBER)
    house.deliver(*members.values(), e)
    assert in_step(house, e, *(members[name] for name in "bcd"))
    assert all(epoch_of(each, "g") == 2 for each in (e, members["b"], members["c"], members["d"]))


def test_members_that_were_away_catch_up(house: House) -> None:
    """Each misses another number of epochs, of either kind. Who missed only broadcasts of the last one need not ask."""
    members = plant(house, a="ps", b="ps", c="ps", d="ps", e="ps")
    for round_, away in enumerate(("b", "c", "d")):
        if round_ == 1:
            leave(house, "e")
        else:
            change_policy(house, 10 + round_)
        assert house.review() == ["g"]
        gone = "bcd"[: round_ + 1]
        house.deliver(*(member for name, member in members.items() if name not in gone))
        published(house)
        assert away in gone
    assert [epoch_of(members[name], "g") for name in "abcd"] == [4, 1, 2, 3]
    assert in_step(house, members["a"])
    assert {name: catch_up(house, members[name]) for name in "abcd"} == {"a": 0, "b": 1, "c": 1, "d": 0}
    assert in_step(house, *(members[name] for name in "abcd"))


def test_an_ask_is_answered_for_the_epoch_in_force(house: House) -> None:
    """The packet that is retained from before a broadcast is of no use to who asks."""
    members = plant(house, a="ps", b="s")
    for size in (10, 11):
        change_policy(house, size)
        house.review()
        house.deliver(members["a"])
        published(house)
    topic = board.key_topic("g", members["b"].me.kid.hex(), SUBSCRIBER)
    assert int.from_bytes(retained(house)[topic][1:5], "big") == 1
    assert catch_up(house, members["b"]) == 1
    assert int.from_bytes(retained(house)[topic][1:5], "big") == 3
    assert in_step(house, *members.values())


def test_every_64th_epoch_goes_by_key_packets_to_all(house: House) -> None:
    members = plant(house, a="p", b="s")
    by_packets = []
    for number in range(2, 140):
        change_policy(house, number)
        house.review()
        if not broadcasts(house):
            assert packets(house) == of(members["a"], PUBLISHER) | of(members["b"], SUBSCRIBER)
            by_packets.append(number)
        house.deliver(*members.values())
        published(house)
    assert by_packets == [65, 129]
    assert in_step(house, *members.values())


def test_a_newcomer_does_not_lengthen_the_chain(house: House) -> None:
    """A joining publisher leaves the chain of d_P where it is: each key counts its own."""
    members = plant(house, a="p", b="s")
    with house.database.write() as connection:
        connection.execute(schema.epochs.update().values(chain_subscribers=epochs.CHAIN))
    house.enrol(house.device("c"))
    house.join("g", "c", "p")
    house.review()
    assert broadcasts(house) == {PUBLISHER}
    house.deliver(*members.values())
    assert in_step(house, *members.values())


def test_a_replaced_certificate_ends_the_chain(house: House) -> None:
    members = plant(house, a="ps", b="s")
    house.enrol(house.device("a", again=True))
    house.review()
    assert broadcasts(house) == set(), "it held both keys: d_S as the only publisher, d_P with b"
    house.deliver(members["b"])
    assert in_step(house, members["b"])


def test_a_broadcast_is_fetched_by_those_alone_who_can_open_it(house: House) -> None:
    members = plant(house, a="p", b="s", c="ps", d="ps")
    new = house.enrol(house.device("new"))
    house.join("g", "new", "ps")
    house.review()
    info = house.board()["microseal/group/g/info"]
    for name, roles in (("a", b"1"), ("b", b"2"), ("c", b"12")):
        members[name].control(b"microseal/group/g/info", info)
        assert fetched(members[name]) == roles
    change_policy(house, 10)
    house.review()
    house.deliver(new)
    assert fetched(new) == b""
    members["d"].control(b"microseal/group/g/info", house.board()["microseal/group/g/info"])
    assert fetched(members["d"]) == b"", "it missed one"


def fetched(member: Member) -> bytes:
    """The roles whose broadcast the member subscribes to."""
    topics = [topic for topic in member.filters() if topic.startswith(b"microseal/group/g/")]
    return b"".join(sorted(topic[-1:] for topic in topics if topic[-1:] in b"12"))


def test_who_was_shut_out_opens_nothing_of_what_follows(house: House) -> None:
    """Every packet and broadcast there ever was, tried with every key that it ever had."""
    members = plant(house, a="ps", b="ps", c="ps")
    change_policy(house, 10)
    house.review()
    house.deliver(*members.values())
    published(house)
    evicted, signer = members["c"], Signer(house.vault.anchor, house.vault.signer.cert.raw)
    group = evicted.groups.by_gid[b"g"]
    known = [key for epoch in (group.current, group.previous) for key in epoch.keys.values()]
    assert len(set(known)) == 4
    with house.database.write() as connection:
        registry.revoke_device(connection, "c")
    later = []
    for size in (10, 11, 12):
        change_policy(house, size)
        house.review()
        later.append(retained(house))
        house.deliver(members["a"], members["b"])
        published(house)
    assert in_step(house, members["a"], members["b"])
    tried = 0
    for board_ in later:
        info = Info(house.vault.suite, board_["microseal/group/g/info"], signer)
        for topic, payload in board_.items():
            levels = topic.split("/")
            for role in epochs.ROLES:
                if levels[1] == "key":
                    assert levels[3] != evicted.me.kid.hex()
                    with pytest.raises(Refused):
                        open_key_packet(evicted.me, info, payload, role)
                    tried += 1
                elif levels[1] == "group" and levels[-1] in "12":
                    for old in known:
                        with pytest.raises(Refused) as caught:
                            open_rekey(info, payload, role, old)
                        assert caught.value.reason in (errors.DECRYPTION, errors.ROLE)
                        tried += 1
    assert tried > 20
    ask_topic, ask = _ask(evicted)
    with pytest.raises(Refused, match=errors.REVOKED):
        house.answer(ask_topic, ask)


def _ask(member: Member) -> tuple[bytes, bytes]:
    import time

    from microseal.group import make_ask
    from microseal.wire import hexkid

    ask = make_ask(member.me, b"g", 1, int(time.time()), bytes(32))
    return b"microseal/ask/" + hexkid(member.me.kid), ask


def test_only_the_keys_of_the_epoch_in_force_are_stored(house: House) -> None:
    members = plant(house, a="ps", b="ps")
    with house.database.read() as connection:
        before = connection.execute(select(schema.epochs)).one()
    change_policy(house, 10)
    house.review()
    house.deliver(*members.values())
    with house.database.read() as connection:
        (row,) = connection.execute(select(schema.epochs)).all()
        assert row.epoch == 2 and (row.chain_publishers, row.chain_subscribers) == (1, 1)
        stored = "".join(connection.connection.driver_connection.iterdump()) if house.database.is_sqlite else ""
    assert before.key_publishers.hex().upper() not in stored and before.key_subscribers.hex().upper() not in stored


def test_an_altered_key_stops_the_broadcast_alone(house: House) -> None:
    """What cannot be opened is no reason to make an epoch that shuts everybody out."""
    from microseal_host.failure import Failure

    plant(house, a="ps")
    with house.database.write() as connection:
        connection.execute(schema.epochs.update().values(key_publishers=bytes(60)))
    change_policy(house, 10)
    with pytest.raises(Failure, match="altered"):
        house.review()
    assert retained(house)["microseal/group/g/info"]


def test_a_join_in_a_large_group_costs_one_broadcast_a_role(tmp_path: Path) -> None:
    from test_authority_epochs import fill_group

    house = House(tmp_path / "large")
    fill_group(house, "g", 200)
    house.review()
    published(house)
    house.enrol(house.device("new"))
    published(house)
    house.join("g", "new", "s")
    house.review()
    assert len(house.board()) == 6, "info, two rosters, two broadcasts, one key packet"
