"""A device's life with a real broker and a real authority, on both interpreters: enrolment, time, epochs, wills, restarts, renewal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client_plant import Device, Mosquitto, Plant, Remote, interpreters, until
from microseal_host.authority import service
from microseal_host.mqtt import new_client
from microseal_host.sim.children import Children


@pytest.fixture(params=interpreters("client_life"))
def make_plant(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Plant]]:
    """Makes a plant whose authority has not been started."""
    monkeypatch.setattr(service, "POLL", 0.05)
    monkeypatch.setattr(service, "SETTLE", 0.05)
    with Children() as children:
        made: list[Plant] = []

        def make(**settings: int) -> Plant:
            made.append(Plant(request.param, tmp_path, Mosquitto(children, tmp_path), **settings))
            return made[-1]

        yield make
        for plant in made:
            plant.close()


def connect(*devices: Device, settings: str = "") -> None:
    """All of them at once, as if they had run for a while."""
    for device in devices:
        device.begin(f"client = new_client('{device.name}'{settings})")
        device.begin("client.connect()")
        device.begin("client.member._inbox.started = 1")
    for device in devices:
        for _ in range(3):
            device.answer()


def in_epoch(number: int, gid: str, *devices: Device) -> bool:
    return until(lambda: all(device.do(f"epoch(b'{gid}')") == number for device in devices))


@contextmanager
def watching(plant: Plant, topic: str) -> Iterator[list[bytes]]:
    """What arrives on a topic, as a plain client sees it."""
    seen: list[bytes] = []
    client = new_client(plant.broker.address, f"watcher-{os.urandom(4).hex()}", clean=True)
    client.on_message = lambda _client, _data, message: seen.append(message.payload)
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.connect(plant.broker.address.host, plant.broker.port)
    client.loop_start()
    try:
        yield seen
    finally:
        client.disconnect()
        client.loop_stop()


def test_an_authority_and_a_group_that_come_later(make_plant: Callable[..., Plant]) -> None:
    plant = make_plant()
    plant.start_authority()
    plant.stop_authority()  # so that the broker keeps what is sent to it
    pump, desk = plant.add("pump"), plant.add("desk")
    for device in (pump, desk):
        device.do(f"client = new_client('{device.name}')")
        device.begin("client.connect(timeout=1)")
    for device in (pump, desk):
        with pytest.raises(Remote) as caught:
            device.answer()
        assert caught.value.args[0] == "NotReady"
        assert (
            "no answer to the enrolment: is `microseal authority run` connected to this broker" in caught.value.args[1]
        )
        assert device.do("client.sock is not None")
        with pytest.raises(Remote, match="NotReady"):
            device.do("client.publish('g/s', 'x')")
    # A sketch may subscribe all the same.
    assert desk.do("client.subscribe('g/#', 1)") == 1
    plant.start_authority()
    assert until(lambda: all("in no group yet" in (device.do("client.missing()") or "") for device in (pump, desk)))
    with pytest.raises(Remote) as caught:
        pump.do("client.connect(timeout=1)")
    assert caught.value.args[0] == "NotReady" and "in no group yet" in caught.value.args[1]
    # The clocks are the authority's, to the second.
    for device in (pump, desk):
        assert abs(device.do("client.member.now()") - time.time()) < 2
    # The group begins with the publisher alone, who leaves a state; whoever comes later finds it.
    plant.group("g", 2, [(0, "g/t"), (2, "g/s")], pump="p")
    assert until(lambda: pump.do("client.missing()") is None)
    pump.do("client.publish('g/s', 'state', retain=True, qos=1)")
    desk.do("client.member._inbox.started = 1")
    plant.join("g", "desk", "s")
    assert until(lambda: desk.heard("g/s") == ["state"]), desk.told
    pump.do("client.publish('g/t', 'event', qos=1)")
    assert until(lambda: desk.heard("g/t") == ["event"]), desk.told


def test_epochs(make_plant: Callable[..., Plant]) -> None:
    """Members come and go while messages flow; states and wills are sealed anew; who was shut out is not heard."""
    plant = make_plant()
    plant.start_authority()
    pump, desk, late = plant.add("pump"), plant.add("desk"), plant.add("late")
    plant.group("g", 2, [(0, "g/t/#"), (2, "g/s/#"), (2, "g/gone/+")], pump="p", desk="s")
    plant.group("other", 1, [(0, "other/t")], late="ps")
    for device in (pump, desk, late):
        device.do(f"client = new_client('{device.name}')")
    pump.do("client.set_last_will('g/gone/pump', 'gone', retain=True, qos=1)")
    for device in (pump, desk, late):
        device.begin("client.connect()")
        device.begin("client.member._inbox.started = 1")
        device.begin("client.subscribe('g/#', 1)")
    for device in (pump, desk, late):
        for _ in range(3):
            device.answer()
    with pytest.raises(Remote, match="the will's topic is for the will alone"):
        pump.do("client.publish('g/gone/pump', 'x')")
    pump.do("client.publish('g/s/a', 'old', retain=True)")
    pump.do("client.publish('g/s/a', 'state a', retain=True)")
    pump.do("client.publish('g/s/b', 'state b', retain=True, qos=1)")
    # While the certificate is fetched one message is held; the states behind it are fetched again.
    assert until(lambda: set(desk.heard()) >= {"state a", "state b"}), desk.told
    links = pump.do("client._main.links")

    # A newcomer: it reads the states, although they were sealed in an epoch that it has no key of.
    plant.join("g", "late", "s")
    sent = 0
    while late.do("epoch(b'g')") < 2 or pump.do("epoch(b'g')") < 2:
        sent += 1
        pump.do(f"client.publish('g/t/x', '{sent}', qos=1)")
        time.sleep(0.02)  # a flood would push the rosters out of a queue, and they are fetched again after a minute
    assert in_epoch(2, "g", pump, desk, late)
    assert until(lambda: late.heard("g/s/a")[-1:] == ["state a"] and late.heard("g/s/b")[-1:] == ["state b"]), late.told
    for i in range(10):
        pump.do(f"client.publish('g/t/x', '{sent + i + 1}', qos=1)")
    assert until(lambda: desk.heard("g/t/x")[-1:] == late.heard("g/t/x")[-1:] == [str(sent + 10)])
    # Whoever sends in the new epoch before the other one is in it is not heard: a race that both lose or win, never a repetition.
    heard = [int(text) for text in desk.heard("g/t/x")]
    assert heard == sorted(set(heard)) and len(heard) + desk.refused("g/t/x").count("epoch") == sent + 10
    assert set(desk.refused("g/t/x")) <= {"epoch"}

    # Its will was sealed anew: the newcomer could not open the one before. It comes once.
    assert pump.do("client._main.links") == links + 1
    assert not desk.heard("g/gone/pump")
    pump.end()
    assert until(lambda: desk.heard("g/gone/pump") == late.heard("g/gone/pump") == ["gone"]), late.told
    assert late.messages("g/gone/pump")[0]["sender"] == "pump"

    # It comes back, and is evicted while connected.
    pump = plant.restart(pump)
    connect(pump)
    plant.leave("g", "pump")
    assert in_epoch(3, "g", desk, late) and in_epoch(0, "g", pump)
    with pytest.raises(Remote) as caught:
        pump.do("client.publish('g/t/x', 'still here')")
    assert caught.value.args == ("Refused", "topic")
    assert pump.do("client.topics()") == []
    with pytest.raises(Remote, match="in no group"):
        pump.do("client.connect(timeout=0.5)")


def test_wills_that_cannot_be(make_plant: Callable[..., Plant]) -> None:
    plant = make_plant()
    plant.start_authority()
    pump = plant.add("pump")
    plant.group("g", 1, [(0, "g/t"), (0, "g/u"), (2, "g/s")], max_size=10, pump="p")
    plant.group("q", 1, [(3, "q/s")], pump="p")
    plant.group("anonymous", 3, [(2, "anonymous/s")], pump="p")
    connect(pump)
    for topic, message, reason in (
        ("g/t", "x", "policy"),
        ("q/s", "x", "role"),
        ("anonymous/s", "x", "mode"),
        ("nowhere", "x", "topic"),
        ("g/s", "more than ten bytes", "size"),
    ):
        pump.do(f"client.set_last_will('{topic}', '{message}')")
        with pytest.raises(Remote) as caught:
            pump.do("client.connect()")
        assert caught.value.args == ("Refused", reason), topic
        links = pump.do("client._main.links")
        pump.do("client.publish('g/u', 'there', qos=1)")
        assert pump.do("client._main.links") == links


def test_restarts(make_plant: Callable[..., Plant]) -> None:
    """With the clock that a device has: after a start nothing of the past is news, but states can be read."""
    plant = make_plant()
    plant.start_authority()
    pump, desk = plant.add("pump"), plant.add("desk")
    plant.group("g", 2, [(0, "g/t"), (2, "g/s")], pump="p", desk="s")
    connect(pump, desk, settings=", clock=TickClock()")
    pump.do("client.publish('g/s', 'state', retain=True, qos=1)")
    desk = plant.restart(desk)
    plant.stop_authority()
    # Without the authority there is no time, and without the time nothing is opened.
    desk.do("client = new_client('desk', clock=TickClock())")
    desk.do("client.subscribe('g/#', 1)")
    with pytest.raises(Remote, match="no answer to the question for the time"):
        desk.do("client.connect(timeout=0.5)")
    with pytest.raises(Remote, match="no clock"):
        desk.do("client.publish('g/t', 'x')")
    assert desk.heard() == desk.refused() == []
    plant.start_authority()
    assert until(lambda: desk.heard("g/s") == ["state"]), desk.told
    assert desk.messages("g/s")[0]["stale"] is True
    pump.do("client.publish('g/t', 'too early', qos=1)")
    assert until(lambda: desk.refused("g/t") == ["time"])

    def publish() -> bool:
        pump.do("client.publish('g/t', 'event', qos=1)")
        return bool(desk.heard("g/t"))

    assert until(publish) and set(desk.heard("g/t")) == {"event"}
    pump.do("client.publish('g/s', 'news', retain=True, qos=1)")
    assert until(lambda: desk.heard("g/s") == ["state", "news"])
    assert desk.messages("g/s")[1]["stale"] is False


def test_a_key_packet_that_was_lost_is_asked_for(make_plant: Callable[..., Plant]) -> None:
    plant = make_plant()
    plant.start_authority()
    pump = plant.add("pump")
    plant.group("g", 1, [(0, "g/t")], pump="p")
    connect(pump)
    kid = pump.do("client.member.me.kid.hex()")
    pump.do("client.disconnect()")
    with watching(plant, f"microseal/ask/{kid}") as asked, watching(plant, "microseal/group/g/info") as infos:
        assert until(lambda: len(infos) == 1)
        plant.join("g", "pump", "ps")
        assert until(lambda: len(infos) == 2)
        time.sleep(0.2)  # all else of this epoch comes before its info, or right behind it
        eraser = new_client(plant.broker.address, "eraser", clean=True)
        eraser.connect(plant.broker.address.host, plant.broker.port)
        eraser.loop_start()
        for topic in (f"key/g/{kid}", "group/g"):
            for role in (1, 2):
                eraser.publish(f"microseal/{topic}/{role}", b"", 1, True).wait_for_publish(5)
        eraser.disconnect()
        eraser.loop_stop()
        pump.do("client.connect()")
        assert in_epoch(1, "g", pump) and asked == []
        assert in_epoch(2, "g", pump)
        assert len(asked) == 1


def test_a_certificate_is_renewed_in_time(make_plant: Callable[..., Plant]) -> None:
    """Three quarters into its life; messages go on through it, under the old and the new kid."""
    plant = make_plant(device_lifetime=8)
    plant.start_authority()
    pump, desk = plant.add("pump"), plant.add("desk")
    plant.group("g", 2, [(0, "g/t")], pump="p", desk="s")
    connect(pump, desk)
    desk.do("client.subscribe('g/t', 1)")
    first = pump.do("hexkid(client.member.me.kid)")
    expires = pump.do("client.member.me.cert.not_after")
    sent = 0
    while time.time() < expires + 1:
        sent += 1
        pump.do(f"client.publish('g/t', '{sent}', qos=1)")
        time.sleep(0.05)
    assert pump.do("hexkid(client.member.me.kid)") != first
    assert until(lambda: desk.heard()[-1:] == [str(sent)]), (desk.told[-3:], pump.told)
    print([m["refused"] for m in desk.told if "refused" in m], sent, len(desk.heard()))
    assert len(desk.heard()) + len(desk.refused("g/t")) == sent
    # What was on its way in an epoch or under a certificate of which the other side had not heard, or no longer.
    assert set(desk.refused("g/t")) <= {"epoch", "role"} and len(desk.refused("g/t")) < 5
