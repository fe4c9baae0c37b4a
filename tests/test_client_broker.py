"""MQTTClient where the broker is killed, frozen or not there, and what the broker sees of mode 3; on both interpreters."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from client_plant import Device, Mosquitto, Plant, Remote, interpreters, until
from microseal_host.authority import service
from microseal_host.sim.broker import free_port
from microseal_host.sim.children import Children

QUICK = "keepalive=1, timeout=1, backoff=0.1, backoff_max=0.4"


@pytest.fixture(scope="module", params=interpreters("client_broker"))
def plant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """Two devices, pump and desk, in the groups plain (mode 2) and secret (mode 3), with a broker whose log has every packet."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch, Children() as children:
        patch.setattr(service, "POLL", 0.05)
        patch.setattr(service, "SETTLE", 0.05)
        made = Plant(request.param, folder, Mosquitto(children, folder))
        try:
            made.start_authority()
            devices = [made.add("pump"), made.add("desk")]
            made.group("plain", 2, [(0, "plain/t"), (1, "plain/q"), (2, "plain/s")], pump="p", desk="s")
            made.group("secret", 3, [(0, "secret/t"), (1, "secret/q")], pump="p", desk="s")
            for device in devices:
                device.begin(f"client = new_client('{device.name}', {QUICK})")
                device.begin("client.connect(clean_session=False)")
            for device in devices:
                device.answer()
                device.answer()
            for device in devices:
                assert until(lambda device=device: device.do("epoch(b'plain') and epoch(b'secret')"))
                device.do("client.member._inbox.started = 1")
            for gid in ("plain", "secret"):
                devices[1].do(f"client.subscribe('{gid}/t', 1)")
                devices[0].do(f"client.publish('{gid}/t', 'first', qos=1)")
                assert until(lambda gid=gid: devices[1].heard(f"{gid}/t") == ["first"])
            yield made
        finally:
            made.close()


@pytest.fixture
def pump(plant: Plant) -> Device:
    return plant.devices[0].sync()


@pytest.fixture
def desk(plant: Plant) -> Device:
    return plant.devices[1].sync()


def slowest(device: Device, seconds: float) -> float:
    """The longest of many calls of check_msg, in s."""
    device.do("idle = False")
    device.do("longest = 0")
    device.do(
        "exec('def look():\\n"
        " global longest\\n"
        " before = client.member.ticks_ms()\\n"
        " client.check_msg()\\n"
        " longest = max(longest, client.member.ticks_ms() - before)', globals())"
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        device.do("look()")
        time.sleep(0.005)
    device.do("idle = True")
    return device.do("longest") / 1000


def test_the_broker_goes_and_comes_back(plant: Plant, pump: Device, desk: Device) -> None:
    """Every message of QoS 1 arrives, and once, although the clients notice the end at different moments."""
    pump.do(
        "exec('def send(first, last):\\n"
        " for i in range(first, last):\\n"
        '  client.publish("plain/t", str(i), qos=1)\', globals())'
    )
    links = desk.do("client._main.links")
    for sent in (300, 600):
        pump.begin(f"send({sent - 300}, {sent})")
        assert until(lambda sent=sent: len(desk.heard()) >= sent - 250)
        plant.broker.stop()
        time.sleep(0.3)
        plant.broker.start()
        pump.answer()
    assert until(lambda: len(desk.heard()) >= sent), len(desk.heard())
    time.sleep(0.2)
    assert sorted(int(text) for text in desk.heard()) == list(range(sent))
    # What was sent again because its acknowledgement was lost.
    assert set(desk.refused()) <= {"replay"} and len(desk.refused()) < 60
    assert desk.do("client._main.links") == links + 2


def test_waiting_through_a_restart(plant: Plant, pump: Device, desk: Device) -> None:
    desk.do("idle = False")
    desk.begin("client.wait_msg()")
    plant.broker.kill()
    assert slowest(pump, 0.5) < 0.2
    plant.broker.start()
    assert until(lambda: pump.do("client.sock is not None"))
    time.sleep(0.5)
    for gid in ("plain", "secret"):
        pump.do(f"client.publish('{gid}/t', 'after it', qos=1)")
    assert desk.answer() == 0x30
    desk.do("idle = True")
    assert until(lambda: sorted(desk.heard()) == ["after it"] * 2), desk.told


def test_a_frozen_broker(plant: Plant, pump: Device, desk: Device) -> None:
    with plant.broker.frozen():
        # The ping is not answered, which nobody waits for; and then the new connection is not, which takes `timeout`.
        assert slowest(desk, 3) < 1.5
        assert desk.do("client.sock is None")
        pump.do("client._main.attempts = 2")
        start = time.monotonic()
        with pytest.raises(Remote, match="OSError"):
            pump.do("client.publish('plain/t', 'not known to have arrived', qos=1)")
        assert time.monotonic() - start < 6
        pump.do("client._main.attempts = 8")
    assert until(lambda: pump.do("client.sock is not None") and desk.do("client.sock is not None"))
    pump.do("client.publish('plain/t', 'thawed', qos=1)")
    assert until(lambda: desk.heard()[-1:] == ["thawed"])


def test_an_answer_of_a_callback_whose_connection_breaks(plant: Plant, pump: Device, desk: Device) -> None:
    pump.do("client.subscribe('plain/q', 1)")
    for gid in ("plain", "secret"):
        desk.do(
            "exec('def answer(topic, message):\\n"
            f' client._main.sock.close()\\n client.publish("plain/q", "{gid}", qos=1)\', globals())'
        )
        desk.do("client.set_callback(answer)")
        pump.do(f"client.publish('{gid}/t', 'question', qos=1)")
        assert until(lambda gid=gid: pump.heard("plain/q")[-1:] == [gid]), (pump.told, desk.told)
        desk.do("client.set_callback(heard)")
    assert pump.heard("plain/q") == ["plain", "secret"] and pump.refused() == []


def test_either_connection_breaks_while_something_is_sent(plant: Plant, pump: Device, desk: Device) -> None:
    """What is noticed in sending is mended like what is noticed in reading: nothing of it reaches the sketch."""
    desk.do("client.subscribe('secret/t', 1)")
    for name in ("client._main", "client._anonymous"):
        desk.do("idle = False")
        links = desk.do(f"{name}.links")
        desk.do(f"{name}.post(b'{'plain' if name == 'client._main' else 'secret'}/q', b'posted', False)")
        # Gone between two looks, with something to be sent again on it.
        desk.do(f"{name}._posts[-1].links = -1; {name}._posts[-1].entry[1] = -1; {name}.sock.close()")
        desk.do("client._stirred = True; client._serve()")
        desk.do("idle = True")
        assert until(lambda name=name, links=links: desk.do(f"{name}.links") == links + 1)
    time.sleep(0.2)
    assert [what for what in desk.told if "raised" in what] == []


def test_no_broker(plant: Plant, pump: Device) -> None:
    pump.do("client.disconnect()")
    pump.do(f"other = new_client('pump/other', server='127.0.0.1', port={free_port()})")
    with pytest.raises(Remote, match="OSError"):
        pump.do("other.connect()")
    for line in ("other.check_msg()", "other.wait_msg()", "other.publish('plain/t', 'x')", "other.ping()"):
        with pytest.raises(Remote) as caught:
            pump.do(line)
        assert caught.value.args[0] in ("OSError", "NotReady"), line
    pump.do("client.connect()")


def test_without_attempts_a_lost_connection_is_told(plant: Plant, pump: Device) -> None:
    pump.do("idle = False")
    pump.do("client._main.attempts = 0")
    pump.do("client.sock.close()")
    for line in ("client.check_msg()", "client.wait_msg()", "client.publish('plain/t', 'x')"):
        with pytest.raises(Remote, match="OSError"):
            pump.do(line)
    pump.do("client._main.attempts = 8")
    pump.do("idle = True")
    assert until(lambda: pump.do("client.sock is not None"))
    assert pump.told == []


def packets(plant: Plant) -> dict[str, str]:
    """What the broker's log says of each client: the lines of its packets, with the topics that it subscribed to."""
    found: dict[str, str] = {}
    client = ""
    for line in plant.broker.log.read_text().splitlines():
        text = line.partition(": ")[2]
        named = re.search(r"(?:from|to|as|Client) ([\w/-]+)(?: |$|\.)", text)
        if text.startswith("New client connected"):
            client = text.split(" as ")[1].split()[0]
        elif named and not text.startswith("New connection"):
            client = named[1]
        if client and not text.startswith("New connection"):
            found[client] = found.get(client, "") + text + "\n"
    return found


def test_what_the_broker_sees_of_mode_3(plant: Plant, pump: Device, desk: Device) -> None:
    for device in (pump, desk):
        device.do("client.disconnect()")
        device.do("client.connect()")
    pump.do("client.subscribe('secret/q', 1)")
    for i in range(3):
        pump.do(f"client.publish('secret/t', '{i}', qos=1)")
        desk.do(f"client.publish('secret/q', '{i}')")
        pump.do(f"client.publish('plain/t', '{i}', qos=1)")
    assert until(lambda: desk.heard("secret/t") == pump.heard("secret/q") == ["0", "1", "2"]), (desk.told, pump.told)
    names = {device.name: device.do("client.member.me.kid.hex()") for device in (pump, desk)}
    seen = packets(plant)
    secret = {client: text for client, text in seen.items() if "secret/t" in text or "secret/q" in text}
    assert len(secret) >= 4 and "pump" in seen and "desk" in seen
    for client, text in secret.items():
        # Nothing but a random name, and nothing but the topics of the group; a name is not used for a second connection.
        assert re.fullmatch("[0-9a-f]{16}", client), client
        assert text.count("New client connected") == 1
        assert "plain/" not in text and "microseal/" not in text
        assert not any(name in text for pair in names.items() for name in pair), text
        assert "p2, c1" in text and "u'" not in text  # a clean session, no user name
    for name in names:
        assert "microseal/key/+/" in seen[name] and "plain/" in seen[name]
    # What a broker sends on that connection to see who reacts is not looked at.
    for topic in ("signer", "revoked", "group/secret/info", "group/secret/p", f"key/secret/{names['pump']}/1"):
        with pytest.raises(Remote) as caught:
            pump.do(f"client.sink(client._anonymous, b'microseal/{topic}', 100).close()")
        assert caught.value.args == ("Refused", "unknown")
