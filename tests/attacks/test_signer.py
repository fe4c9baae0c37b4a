"""The signer's certificate is replaced only by one that has shown, by a signature, that the authority issued it."""

from __future__ import annotations

import pytest

from microseal.provisioning import load_authority
from world import READY, Device, Packet, World


def _stored_signer(device: Device) -> bytes:
    return load_authority(device.member._store)[1].cert.raw


def test_a_newer_signer_takes_over_with_its_first_signature() -> None:
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk", signed=True)
        world.form("plant", [pump], [desk], topics=["plant/#"])
        before = world.authority.signer.cert.raw
        world.send([world.authority.replace_signer()])
        world.settle()
        after = world.authority.signer.cert.raw
        assert _stored_signer(desk) == before
        world.change("plant", [pump], [desk])
        assert _stored_signer(desk) == _stored_signer(pump) == after
        desk.restart()
        world.settle()
        world.advance(READY)
        world.change("plant", [pump], [desk])
        pump.publish("plant/level", b"4.2")
        world.settle()
        assert [m.payload for m in desk.messages] == [b"4.2"]


@pytest.mark.parametrize("what", ["time", "revoked"])
def test_signed_time_and_the_revoked_list_prove_it_too(what: str) -> None:
    with World() as world:
        desk = world.enrol("desk", signed=True)
        world.send([world.authority.replace_signer()])
        world.settle()
        if what == "time":
            world.advance(3601)
        else:
            world.send([world.authority.revoke([bytes(8)])])
        world.settle()
        assert _stored_signer(desk) == world.authority.signer.cert.raw


def test_what_is_held_already_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signer in use has run out, and the info that a device has comes again: nothing is verified, so nothing is replaced."""
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], topics=["plant/#"], lifetime=3 * 365 * 86400)
        before = world.authority.signer.cert.raw
        world.advance(366 * 86400)
        world.send([world.authority.replace_signer()])
        desk.restart()
        world.settle()
        assert desk.in_group("plant")
        assert _stored_signer(desk) == before


@pytest.mark.parametrize("signed", [False, True])
def test_a_made_up_signer_does_not_keep_the_genuine_one_out(signed: bool) -> None:
    """One message takes the place of the announcement; what the new signer signs is then refused, until both are fetched again."""
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk", signed=signed)
        world.form("plant", [pump], [desk], topics=["plant/#"])
        world.send([world.authority.replace_signer()])
        world.settle()
        after = world.authority.signer.cert.raw
        made_up = Packet(b"microseal/signer", after[:10] + bytes((after[10] + 1,)) + after[11:])
        world.broker.deliver(made_up, "desk")
        world.settle()
        world.change("plant", [pump], [desk])
        assert _stored_signer(desk) == after
        assert desk.epoch("plant").info.epoch == 2
        # Again and again it costs a fetch a minute, no more.
        fetched = []
        world.broker.on_way = lambda packet, _: fetched.append(packet.topic) or [packet]
        for _ in range(60):
            world.broker.deliver(made_up, "desk")
            world.broker.deliver(Packet(b"microseal/revoked", bytes(68)), "desk")
            world.settle()
        assert fetched.count(b"microseal/signer") <= 1
