"""The authority's service with a real mosquitto: what it answers, what it publishes, and what it survives."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from sqlalchemy import select, update

from authority_house import House, connected, epoch_of, eventually, running
from microseal.group import Info
from microseal.identity import claim_request, make_request
from microseal.inbox import Message
from microseal.wire import hexkid
from microseal_host.authority import board, lease, registry, schema, vault
from microseal_host.authority.database import open_existing
from microseal_host.authority.lease import Lease, LeaseLost
from microseal_host.authority.service import Service
from microseal_host.failure import NOT_READY, Failure
from microseal_host.mqtt import Address, new_client
from microseal_host.sim.broker import Broker, find_mosquitto, free_port
from microseal_host.sim.children import Child, Children


@pytest.fixture
def house(tmp_path: Path, broker: Broker) -> House:
    made = House(tmp_path / "house", Address(broker.host, broker.port))
    yield made
    _clear(made.address)


class Wire:
    """A plain client that sees everything under microseal/."""

    def __init__(self, address: Address) -> None:
        self.seen: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self.client = new_client(address, f"test-{os.urandom(8).hex()}", clean=True)
        self.client.max_queued_messages_set(0)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.connect(address.host, address.port)
        self.client.loop_start()
        self.client.subscribe("microseal/#", 1)
        assert self._subscribed.wait(10)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.seen.append((message.topic, message.payload, message.retain))

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.seen if name == topic]

    def retained(self) -> dict[str, bytes]:
        return {topic: payload for topic, payload, retain in self.seen if retain}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def wired(address: Address) -> Iterator[Wire]:
    wire = Wire(address)
    try:
        yield wire
    finally:
        wire.close()


def retained_at(address: Address) -> dict[str, bytes]:
    """What the broker has now."""
    with wired(address) as wire:
        time.sleep(0.2)
        return wire.retained()


def _clear(address: Address) -> None:
    """The broker is shared: what this test left retained must not meet the next one's authority."""
    with wired(address) as wire:
        time.sleep(0.2)
        for topic in wire.retained():
            wire.send(topic, b"", True)


def _request(house: House, device: str, text: str) -> bytes:
    suite, claim = house.vault.suite, bytes.fromhex(json.loads(text)["claim"])
    r, g = vault.random_scalar(suite), vault.random_scalar(suite)
    return claim_request(suite, make_request(suite, device.encode(), r, g), claim)


def test_from_claim_to_message(house: House) -> None:
    house.group("plant")
    pump, laptop = house.device("pump"), house.device("laptop")
    house.join("plant", "pump", "p")
    house.join("plant", "laptop", "s")
    heard: list[Message] = []
    with running(house), connected(house, pump) as one, connected(house, laptop, on_message=heard.append) as other:

        def step() -> None:
            one.step(0.02)
            other.step(0.02)

        assert eventually(lambda: epoch_of(pump, "plant") == epoch_of(laptop, "plant") > 0, step=step)
        # The second in which either of them started is to be over.
        assert eventually(lambda: pump.can_seal() and laptop.can_seal(), step=step)
        assert one.publish(b"plant/t/pressure", b"4.2")
        assert eventually(lambda: bool(heard), step=step)
    (message,) = heard
    assert (message.sender, message.payload, message.mode) == (b"pump", b"4.2", 2)


def test_a_request_sent_again_gets_the_same_reply(house: House) -> None:
    request = _request(house, "a", house.claim("a"))
    with running(house), wired(house.address) as wire:
        for _ in range(3):
            wire.send("microseal/enroll/a", request)
        assert eventually(lambda: len(wire.payloads("microseal/reply/a")) == 3)
        assert len(set(wire.payloads("microseal/reply/a"))) == 1
    with running(house), wired(house.address) as wire:
        first = len(wire.payloads("microseal/reply/a"))
        wire.send("microseal/enroll/a", request)
        assert eventually(lambda: len(wire.payloads("microseal/reply/a")) > first)
    with house.database.read() as connection:
        assert len(connection.execute(select(schema.certificates)).all()) == 1


def test_wrong_and_used_claims_get_no_reply(house: House, caplog: pytest.LogCaptureFixture) -> None:
    text = house.claim("a")
    forged = json.dumps(json.loads(text) | {"claim": "00" * 32})
    with running(house), wired(house.address) as wire:
        wire.send("microseal/enroll/a", _request(house, "a", forged))
        wire.send("microseal/enroll/nobody", _request(house, "nobody", text))
        wire.send("microseal/enroll/a", _request(house, "a", text))
        assert eventually(lambda: len(wire.payloads("microseal/reply/a")) == 1)
        wire.send("microseal/enroll/a", _request(house, "a", text))
        assert eventually(lambda: caplog.text.count("refused: enroll from a: claim") == 2)
        assert wire.payloads("microseal/reply/nobody") == []
        assert len(wire.payloads("microseal/reply/a")) == 1
    assert "refused: enroll from nobody: unknown" in caplog.text


def test_retained_and_oversized_requests_are_not_looked_at(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    request = _request(house, "a", house.claim("a"))
    with wired(house.address) as wire:
        wire.send("microseal/enroll/a", request, retain=True)
        with running(house):
            wire.send("microseal/enroll/a", b"\0" * 100_000)
            time.sleep(0.5)
    assert "enrolled" not in caplog.text
    with house.database.read() as connection:
        assert connection.execute(select(schema.certificates)).all() == []


def test_signed_time(house: House) -> None:
    member = house.enrol(house.device("a"))
    kid = hexkid(member.me.kid).decode()
    with running(house), wired(house.address) as wire:
        wire.send(f"microseal/clock/{kid}", os.urandom(16))
        assert eventually(lambda: len(wire.payloads(f"microseal/time/{kid}")) == 1)


def test_wishes_become_one_epoch(house: House) -> None:
    for name in ("a", "b", "c"):
        house.enrol(house.device(name))
    house.group("g")
    with running(house), wired(house.address) as wire:
        for name in ("a", "b", "c"):
            house.join("g", name)
        assert eventually(lambda: len(wire.payloads("microseal/group/g/info")) > 0)
        time.sleep(1.2)
        infos = wire.payloads("microseal/group/g/info")
        assert [Info(1, raw, None).epoch for raw in infos] == [1]


def test_revocation_takes_effect_at_once(house: House) -> None:
    stays, goes = house.enrol(house.device("stays")), house.enrol(house.device("goes"))
    house.group("g", stays="ps", goes="ps")
    with running(house), connected(house, stays) as one, connected(house, goes) as other:

        def step() -> None:
            one.step(0.02)
            other.step(0.02)

        assert eventually(lambda: epoch_of(stays, "g") == epoch_of(goes, "g") == 1, step=step)
        with house.database.write() as connection:
            registry.revoke_device(connection, "goes")
        start = time.monotonic()
        assert eventually(lambda: epoch_of(stays, "g") == 2 and epoch_of(goes, "g") == 0, step=step)
        assert time.monotonic() - start < 3
        held = retained_at(house.address)
    kid = goes.me.kid.hex()
    assert bytes.fromhex(kid) in held[board.REVOKED]
    assert not [topic for topic in held if kid in topic], "nothing of the revoked one is left at the broker"
    assert board.key_topic("g", stays.me.kid.hex(), 1) in held


def test_a_restart_changes_nothing(house: House) -> None:
    member = house.enrol(house.device("a"))
    house.group("g", a="ps")
    with running(house):
        assert eventually(lambda: board.group_topic("g", "info") in retained_at(house.address))
        before = retained_at(house.address)
    with running(house), connected(house, member) as client:
        assert eventually(lambda: epoch_of(member, "g") == 1, step=lambda: client.step(0.05))
        assert retained_at(house.address) == before


def test_what_is_asked_while_it_is_away_is_answered_later(house: House) -> None:
    request = _request(house, "a", house.claim("a"))
    with running(house):
        pass  # the broker has its session now
    with wired(house.address) as wire:
        wire.send("microseal/enroll/a", request)
        time.sleep(0.3)
        assert wire.payloads("microseal/reply/a") == []
        with running(house):
            assert eventually(lambda: len(wire.payloads("microseal/reply/a")) == 1)


def test_what_was_committed_and_not_published_is_published_at_the_start(house: House) -> None:
    house.enrol(house.device("a"))
    house.group("g", a="ps")
    house.review()  # as a service that was killed right after the commit left it
    expected = {topic: payload for topic, payload in house.board().items() if payload}
    with running(house):
        held = retained_at(house.address)
    assert expected.items() <= held.items()


def test_a_message_is_acknowledged_only_when_it_is_on_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that dies in the middle of an answer gets the request again."""
    request = _request(house, "a", house.claim("a"))

    class Cut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise Cut

    monkeypatch.setattr(Service, "_enroll", cut)
    with wired(house.address) as wire:
        with pytest.raises(Cut), running(house) as service:
            wire.send("microseal/enroll/a", request)
            eventually(service.stop.is_set, 1.0)
        monkeypatch.undo()
        with running(house):
            assert eventually(lambda: len(wire.payloads("microseal/reply/a")) == 1)


def test_a_message_that_it_stumbles_over_stops_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request = _request(house, "a", house.claim("a"))

    def stumble(*_: object) -> None:
        raise ValueError("as a mistake in the program would")

    monkeypatch.setattr(Service, "_clock", stumble)
    with running(house), wired(house.address) as wire:
        wire.send("microseal/clock/0123456789abcdef", bytes(16))
        assert eventually(lambda: "cannot answer clock" in caplog.text)
        wire.send("microseal/enroll/a", request)
        assert eventually(lambda: len(wire.payloads("microseal/reply/a")) == 1)


def test_a_group_that_cannot_be_served_does_not_keep_the_others_waiting(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.enrol(house.device("a"))
    house.enrol(house.device("b"))
    house.group("g", a="ps")
    house.group("h", b="ps")
    with house.database.write() as connection:
        mine = schema.certificates.c.device == "a"
        connection.execute(schema.certificates.update().where(mine).values(share=bytes(60)))
    with running(house):
        assert eventually(lambda: board.group_topic("h", "info") in retained_at(house.address))
    assert caplog.text.count("cannot make an epoch of group g: the database was altered") == 1


# Hostile input


def test_a_flood_is_bounded(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Rubbish on every topic that it listens to: few lines in the log, and devices are still answered."""
    request = _request(house, "a", house.claim("a"))
    with running(house), wired(house.address) as wire:
        start = time.process_time()
        for i in range(3000):
            kind = ("enroll", "share", "clock")[i % 3]
            wire.client.publish(f"microseal/{kind}/{os.urandom(8).hex()}", os.urandom(i % 200), 1)
        wire.send("microseal/share/\u202e\u2028x", b"\xff" * 48)
        assert eventually(lambda: len(caplog.records) > 10)
        # Like a device: again after a while, should the broker have dropped it with what was too much.
        assert eventually(
            lambda: bool(wire.payloads("microseal/reply/a")),
            60,
            lambda: (wire.send("microseal/enroll/a", request), time.sleep(3)),
        )
        print(f"3,000 hostile messages: {time.process_time() - start:.2f} s of CPU, both ends")
    assert len([r for r in caplog.records if r.getMessage().startswith("refused:")]) < 150
    assert "\u202e" not in caplog.text


def test_one_sender_cannot_use_up_the_others_share(house: House) -> None:
    member, other = house.enrol(house.device("a")), house.enrol(house.device("b"))
    loud, quiet = (hexkid(each.me.kid).decode() for each in (member, other))
    with running(house), wired(house.address) as wire:
        for _ in range(300):
            wire.client.publish(f"microseal/clock/{loud}", os.urandom(16), 1)
        wire.send(f"microseal/clock/{quiet}", os.urandom(16))
        assert eventually(lambda: len(wire.payloads(f"microseal/time/{quiet}")) == 1)
        assert len(wire.payloads(f"microseal/time/{loud}")) < 20


# One service at a time


def test_a_second_service_is_refused(house: House) -> None:
    with running(house):
        second = open_existing(house.where)
        assert lease.is_running(second)
        with pytest.raises(Failure, match="is running on this database") as caught:
            Service(second, house.vault, house.address).run()
        assert caught.value.code == NOT_READY
    assert not lease.is_running(second)
    with running(house):
        pass


def test_a_killed_service_need_not_be_waited_for(house: House) -> None:
    Lease(house.database).take()
    with house.database.write() as connection:
        row = connection.execute(select(schema.state.c.lease_holder)).scalar_one()
        gone = json.loads(row) | {"pid": 2**22 + 1, "id": "other"}
        connection.execute(update(schema.state).values(lease_holder=json.dumps(gone)))
    assert not lease.is_running(house.database)
    with running(house):
        pass


def test_another_machines_lease_is_waited_for(house: House) -> None:
    Lease(house.database).take()
    with house.database.write() as connection:
        row = connection.execute(select(schema.state.c.lease_holder)).scalar_one()
        other = json.loads(row) | {"host": "another", "id": "other"}
        connection.execute(update(schema.state).values(lease_holder=json.dumps(other)))
    with pytest.raises(Failure, match="on another"):
        Lease(house.database).take()
    with house.database.write() as connection:
        connection.execute(update(schema.state).values(lease_until=time.time() - 1))
    Lease(house.database).take()


def test_a_service_that_lost_its_lease_does_nothing_more(house: House) -> None:
    late = Lease(house.database)
    late.take()
    with house.database.write() as connection:
        connection.execute(update(schema.state).values(lease_until=0.0))
    Lease(house.database).take()
    with pytest.raises(LeaseLost), house.database.write() as connection:
        late.hold(connection)
    with house.database.write() as connection:
        connection.execute(update(schema.state).values(lease_holder=None, lease_until=0.0))
    with pytest.raises(Failure, match="taken over"), running(house), house.database.write() as connection:
        connection.execute(update(schema.state).values(lease_holder='{"id": "other"}'))
        connection.commit()
        time.sleep(3)


# The broker's troubles


class OwnBroker:
    """A mosquitto that a test may stop and start again, on the same port."""

    def __init__(self, children: Children, folder: Path) -> None:
        self.address = Address("127.0.0.1", free_port())
        self._children, self._folder = children, folder
        config = folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        config.write_text(f"listener {self.address.port} 127.0.0.1\nallow_anonymous true\n{user}")
        self._child: Child | None = None

    def start(self) -> None:
        self._child = self._children.start(
            "mosquitto", [find_mosquitto(), "-c", self._folder / "mosquitto.conf"], self._folder / "mosquitto.log"
        )
        assert eventually(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.address.host, self.address.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        assert self._child is not None
        self._child.process.kill()
        self._child.process.wait()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    with Children() as children:
        yield OwnBroker(children, tmp_path)


def test_a_broker_that_lost_everything_gets_it_again(tmp_path: Path, own_broker: OwnBroker) -> None:
    own_broker.start()
    house = House(tmp_path / "house", own_broker.address)
    member = house.enrol(house.device("a"))
    house.group("g", a="ps")
    with running(house), connected(house, member) as client:
        assert eventually(lambda: epoch_of(member, "g") == 1, step=lambda: client.step(0.05))
        before = retained_at(own_broker.address)
        own_broker.stop()
        house.enrol(house.device("b"))
        house.join("g", "b")
        time.sleep(1.0)
        own_broker.start()
        assert eventually(lambda: epoch_of(member, "g") == 2, 30, step=lambda: client.step(0.05))
        assert eventually(lambda: set(before) <= set(retained_at(own_broker.address)))


def test_a_broker_that_is_not_there_yet(
    tmp_path: Path, own_broker: OwnBroker, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path / "house", own_broker.address)
    with running(house, ready=False) as service:
        assert eventually(lambda: "cannot reach the broker" in caplog.text)
        assert "Connection refused" in caplog.text
        own_broker.start()
        assert service.ready.wait(20)


def test_a_database_that_is_away_for_a_while(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The table is gone and comes back: the service says so and goes on, and nothing that was asked is lost."""
    request = _request(house, "a", house.claim("a"))
    with running(house), wired(house.address) as wire:
        with house.database.write() as connection:
            connection.exec_driver_sql("alter table claims rename to claims_away")
        wire.send("microseal/enroll/a", request)
        assert eventually(lambda: "cannot use the database" in caplog.text)
        with house.database.write() as connection:
            connection.exec_driver_sql("alter table claims_away rename to claims")
        assert eventually(lambda: len(wire.payloads("microseal/reply/a")) == 1)


def test_a_signer_that_ran_out_is_replaced_at_the_start(tmp_path: Path, broker: Broker) -> None:
    """The authority was off for longer than its signer was good for: devices take the next one's word all the same."""
    house = House(tmp_path / "house", Address(broker.host, broker.port), signer_lifetime=1)
    member = house.device("a")
    house.group("g", a="ps")
    time.sleep(2)
    assert time.time() > house.vault.signer.cert.not_after
    with house.database.write() as connection:
        connection.execute(schema.authority.update().values(signer_lifetime=86400))
    try:
        with running(house), connected(house, member) as client:
            assert eventually(lambda: epoch_of(member, "g") >= 1, step=lambda: client.step(0.05))
    finally:
        _clear(house.address)
