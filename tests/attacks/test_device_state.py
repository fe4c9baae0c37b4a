"""What a device keeps, and what it does not: nothing of refused messages, no secrets that have done their work."""

from __future__ import annotations

from pathlib import Path

import pytest

from microseal import errors
from microseal.enrolment import load_identity
from microseal.errors import Refused
from microseal.provisioning import load_authority
from microseal.store import Store
from microseal.wire import hexkid
from world import World


def test_a_key_packet_that_is_none_leaves_no_group_behind() -> None:
    with World() as world:
        desk = world.enrol("desk")
        topic = b"microseal/key/made-up/" + hexkid(desk.me.kid) + b"/2"
        with pytest.raises(Refused, match=errors.LENGTH):
            desk.member.control(topic, bytes(85))
        assert not desk.member.groups.by_gid


def test_groups_it_is_not_in_leave_nothing_on_flash() -> None:
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [], topics=["plant/#"])
        desk.member.control(b"microseal/key/plant/" + hexkid(desk.me.kid) + b"/2", bytes(86))
        world.settle()
        assert not desk.in_group("plant")
        assert desk.member._store.load("groups") is None
        world.form("plant", [pump], [desk], topics=["plant/#"])
        assert desk.in_group("plant")


def test_the_claim_and_r_go_even_if_the_power_did_before() -> None:
    """The reply travels in clear: with r, whoever reads it has d."""
    with World() as world:
        device = world.enrol("pump")
        store = device.member._store
        secret = world.random.randbytes(40)
        store.save("enrol", secret)
        write, store._write = store._write, lambda *arguments: None
        store.erase("enrol")  # as if the power went at once
        store._write = write
        device.restart()
        files = b"".join(path.read_bytes() for path in Path(store._directory).glob("enrol.*"))
        assert secret not in files

        # Between the two writes: the newest slot is empty already, the other one is not.
        store.save("enrol", secret)
        calls = []

        def once(*arguments: object) -> None:
            if not calls:
                calls.append(arguments)
                write(*arguments)

        store._write = once
        store.erase("enrol")
        assert secret in b"".join(path.read_bytes() for path in Path(store._directory).glob("enrol.*"))
        again = Store(store._directory)
        assert load_identity(again, load_authority(again)[0])
        assert secret not in b"".join(path.read_bytes() for path in Path(store._directory).glob("enrol.*"))
