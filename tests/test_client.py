"""MQTTClient with a real broker and a real authority, on both interpreters: messages, and what users of umqtt.simple expect."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_plant import Device, Mosquitto, Plant, Remote, interpreters, until
from microseal_host.authority import service
from microseal_host.sim.children import Children


@pytest.fixture(scope="module", params=interpreters("client"))
def plant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant with two connected devices, pump and desk, as if they had run for a while."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch, Children() as children:
        patch.setattr(service, "POLL", 0.05)
        patch.setattr(service, "SETTLE", 0.05)
        made = Plant(request.param, folder, Mosquitto(children, folder))
        try:
            made.start_authority()
            pair = [made.add("pump"), made.add("desk")]
            made.group("home", 1, [(0, "home/#")], pump="p", desk="s")
            for device in pair:
                device.begin(f"client = new_client('{device.name}')")
                device.begin("client.connect()")
            for device in pair:
                device.answer()
                assert device.answer() == 0
                # Times of mode 3 are rounded down by up to half a minute, which would lie before the start.
                device.do("client.member._inbox.started = 1")
            yield made
        finally:
            made.close()


@pytest.fixture
def pump(plant: Plant) -> Device:
    return plant.devices[0].sync()


@pytest.fixture
def desk(plant: Plant) -> Device:
    return plant.devices[1].sync()


def form(plant: Plant, gid: str, mode: int, *filters: tuple[int, str], **settings: object) -> None:
    """A group in which pump publishes and desk listens, in force when this returns; its topics begin with `‹gid›/`."""
    plant.group(gid, mode, [(kind, f"{gid}/{rest}") for kind, rest in filters], **{"pump": "p", "desk": "s"} | settings)
    for device in plant.devices[:2]:
        assert until(lambda device=device: device.do(f"epoch(b'{gid}')") > 0)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_both_directions_of_every_mode(plant: Plant, pump: Device, desk: Device, mode: int) -> None:
    gid = f"mode{mode}"
    form(plant, gid, mode, (0, "t/#"), (1, "q/+"))
    assert desk.do(f"client.subscribe('{gid}/t/#', 1)") == 1
    assert pump.do(f"client.subscribe(b'{gid}/q/+')") == 0
    for qos in (0, 1):
        assert pump.do(f"client.publish('{gid}/t/a', b'down{qos}', qos={qos})") is None
        assert desk.do(f"client.publish(b'{gid}/q/a', 'up{qos}', False, {qos})") is None
        assert until(lambda qos=qos: f"down{qos}" in desk.heard() and f"up{qos}" in pump.heard()), (
            pump.told,
            desk.told,
        )
    first, second = desk.messages(f"{gid}/t/a")
    assert first | {"message": 0} == {"message": 0, "sender": "pump", "mode": mode, "stale": False, "direction": 0}
    (query, _) = pump.messages(f"{gid}/q/a")
    assert query | {"message": 0} == {"message": 0, "sender": "desk", "mode": mode, "stale": False, "direction": 1}
    assert pump.refused() == desk.refused() == []
    # Each may send in its own direction alone.
    for device, topic in ((pump, f"{gid}/q/a"), (desk, f"{gid}/t/a")):
        with pytest.raises(Remote) as caught:
            device.do(f"client.publish('{topic}', 'x')")
        assert caught.value.args == ("Refused", "role")


def test_one_filter_that_reaches_into_groups_of_several_modes(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "mix1", 1, (0, "t/#"))
    form(plant, "mix3", 3, (0, "t/#"))
    desk.do("client.subscribe('+/t/#', 1)")
    for topic in ("mix1/t/a", "mix3/t/a"):
        pump.do(f"client.publish('{topic}', 'once', qos=1)")
    assert until(lambda: len(desk.heard()) == 2)
    time.sleep(0.1)
    assert sorted((m["message"][0], m["mode"]) for m in desk.told) == [("mix1/t/a", 1), ("mix3/t/a", 3)]
    desk.do("client.unsubscribe('+/t/#')")
    for topic in ("mix1/t/a", "mix3/t/a"):
        pump.do(f"client.publish('{topic}', 'nobody hears this', qos=1)")
    desk.do("client.subscribe('mix1/t/b')")
    pump.do("client.publish('mix1/t/b', 'end')")
    assert until(lambda: "end" in desk.heard())
    assert len(desk.told) == 3


def test_unicode_and_long_topics(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "words", 2, (0, "#"))
    desk.do("client.subscribe('words/#')")
    for topic in ("words/日本/温度/室内", "words/" + "é" * 150 + "/x", "words/" + "t" * 5000):
        pump.do(f"client.publish({topic!r}, 'grüße', qos=1)")
        assert until(lambda topic=topic: desk.heard(topic) == ["grüße"]), desk.told


def test_topics_that_grow_take_no_memory(plant: Plant, pump: Device, desk: Device) -> None:
    """Anybody can send on them; each that is taken would make room for a longer one."""
    desk.do("client.subscribe('home/#')")
    most = max(32768, desk.do("client._largest") + 8192 + 4)
    for size in range(8000, 64000, 8000):
        pump.do(f"client._main.publish('home/' + 't' * {size}, bytes(8000), qos=1)")
    pump.do("client.publish('home/last', 'after them', qos=1)")
    assert until(lambda: desk.heard()[-1:] == ["after them"])
    assert desk.do("client._main.max_packet") <= most


def test_sizes_up_to_what_the_policy_allows(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "large", 2, (0, "#"), max_size=60000)
    form(plant, "larger", 3, (0, "#"), max_size=60001)
    desk.do("client.subscribe('large/#', 1)")
    desk.do("client.subscribe('larger/#', 1)")
    for topic, most in (("large/a", 60000), ("larger/a", 60001)):
        for size in (0, 1, most):
            pump.do(f"client.publish('{topic}', 'm' * {size}, qos=1)")
            assert until(lambda topic=topic, size=size: desk.heard(topic)[-1:] == ["m" * size])
        with pytest.raises(Remote, match="size"):
            pump.do(f"client.publish('{topic}', bytes({most + 1}))")
    # What no policy allows is not even read into memory.
    pump.do("client._main.publish('large/a', bytes(70000), qos=1)")
    assert until(lambda: desk.refused("large/a") == ["size"])
    pump.do("client.publish('large/a', 'after it')")
    assert until(lambda: desk.heard()[-1] == "after it")


def test_what_is_refused_is_told_and_counted(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "no", 1, (0, "t"))
    desk.do("client.refused.clear()")
    desk.do("client.subscribe('no/#', 1)")
    pump.do("envelope = client.member.seal(b'no/t', b'm')")
    pump.do("altered = client.member.seal(b'no/t', b'm'); altered[-1] ^= 1")
    for what, reason in (
        ("envelope", None),
        ("envelope", "replay"),
        ("altered", "signature"),
        ("b''", "length"),
        ("b'a message that is not sealed'", "suite"),
    ):
        before = len(desk.refused())
        pump.do(f"client._main.publish('no/t', {what}, qos=1)")
        if reason:
            assert until(lambda before=before: len(desk.refused()) > before)
            assert desk.refused("no/t")[-1] == reason
    pump.do("client._main.publish('no/where', envelope, qos=1)")
    assert until(lambda: desk.refused("no/where") == ["topic"])
    assert desk.heard() == ["m"]
    counted = desk.do("client.refused")
    assert sum(counted.values()) == len(desk.refused()) == 5, counted


def test_a_burst(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "burst", 2, (0, "t"))
    desk.do("client.subscribe('burst/t', 1)")
    pump.do("client.publish('burst/t', 'first')")  # the certificate is at hand after this one
    assert until(lambda: desk.heard() == ["first"])
    desk.do("idle = False")
    for qos in (0, 1):
        pump.do(f"[client.publish('burst/t', str(i), qos={qos}) for i in range(100)] and None")
    desk.do("idle = True")
    assert until(lambda: len(desk.heard()) == 201), len(desk.heard())
    assert desk.heard()[1:] == [str(i) for i in range(100)] * 2
    assert desk.refused() == []


def test_work_done_ahead(plant: Plant, pump: Device, desk: Device) -> None:
    """Signatures by precomputed pairs are made in idle time, by the program itself or by a task, and are as good as others."""
    form(plant, "ahead", 2, (0, "#"))
    desk.do("client.subscribe('ahead/#')")
    pump.do("client.publish('ahead/first', 'of which the certificate is fetched')")
    assert until(lambda: desk.messages("ahead/first"))
    for fill in ("while client.idle(): pass", "asyncio.run(asyncio.wait_for(client.keep_ready(), 0.5))"):
        if fill.startswith("asyncio"):
            pump.do("import asyncio")
            with pytest.raises(Remote, match="TimeoutError|OSError"):
                pump.do(fill)
        else:
            pump.do(fill)
        assert pump.do("len(client.member._pairs._pairs)") == 4
        for number in range(6):
            pump.do(f"client.publish('ahead/{fill[0]}', '{number}')")
        assert pump.do("len(client.member._pairs._pairs)") == 0
        assert until(lambda fill=fill: len(desk.messages(f"ahead/{fill[0]}")) == 6)


def test_a_callback_that_answers_a_burst(plant: Plant, pump: Device, desk: Device) -> None:
    """None of the answers waits, or more questions would come meanwhile than there is room for."""
    form(plant, "echo", 2, (0, "t"), (1, "q"))
    pump.do("client.subscribe('echo/q', 1)")
    desk.do("client.subscribe('echo/t', 1)")
    desk.do("depth = []; deepest = 0")
    desk.do(
        "exec('def answer(topic, message):\\n"
        " global deepest\\n depth.append(1); deepest = max(deepest, len(depth))\\n"
        ' client.publish("echo/q", message, qos=1); client.check_msg()\\n depth.pop()\', globals())'
    )
    desk.do("client.set_callback(answer)")
    try:
        pump.do("client.publish('echo/t', 'first')")
        assert until(lambda: pump.heard() == ["first"])
        pump.do("[client.publish('echo/t', 'x' * 900 + str(i), qos=1) for i in range(100)] and None")
        assert until(lambda: len(pump.heard()) == 101), len(pump.heard())
    finally:
        desk.do("client.set_callback(heard)")
    assert pump.heard()[1:] == ["x" * 900 + str(i) for i in range(100)]
    assert pump.refused() == desk.refused() == []
    assert desk.do("deepest") == 1


def test_what_a_callback_raises(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "bad", 1, (0, "t"), (1, "q"))
    desk.do("client.subscribe('bad/t', 1)")
    desk.do("idle = False")
    desk.do("client.set_callback(lambda topic, message: {}[message.decode()])")
    try:
        # More than the broker sends without an acknowledgement: each of them has had its own.
        for i in range(50):
            pump.do(f"client.publish('bad/t', 'm{i}', qos=1)")
        raised = []
        while len(raised) < 50:
            try:
                desk.do("client.wait_msg()", 5)
            except Remote as error:
                raised.append(error.args)
        assert raised == [("KeyError", f"'m{i}'" if plant.interpreter == "cpython" else f"m{i}") for i in range(50)]
        # It comes out of whatever ran the callback, which has done its own work nevertheless.
        pump.do("client.subscribe('bad/q', 1)")
        pump.do("client.publish('bad/t', 'again', qos=1)")
        time.sleep(0.1)
        with pytest.raises(Remote, match="again"):
            desk.do("client.publish('bad/q', 'sent all the same', qos=1)")
        assert until(lambda: pump.heard() == ["sent all the same"])
    finally:
        desk.do("client.set_callback(heard)")
        desk.do("idle = True")
    pump.do("client.publish('bad/t', 'fine', qos=1)")
    assert until(lambda: desk.heard() == ["fine"])


def cpu(device: Device) -> float:
    """s that the process has computed."""
    fields = Path(f"/proc/{device.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_waiting(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "wait", 2, (0, "t"))
    desk.do("client.subscribe('wait/t', 1)")
    desk.do("idle = False")
    try:
        before = cpu(desk)
        desk.begin("client.wait_msg()")
        time.sleep(1.5)
        # What concerns microseal alone is seen to, and does not end the wait; nor does what is refused.
        plant.leave("wait", "pump")
        plant.join("wait", "pump", "ps")
        assert until(lambda: pump.do("epoch(b'wait')") >= 2)
        pump.do("client._main.publish('wait/t', 'not sealed', qos=1)")
        time.sleep(0.2)
        assert cpu(desk) - before < 0.2
        start = time.monotonic()
        pump.do("client.publish('wait/t', 'now', qos=1)")
        assert desk.answer() == 0x30
        assert time.monotonic() - start < 0.5
        assert desk.heard() == ["now"]
        assert desk.do("client.check_msg()") is None
        desk.do("client.ping()")
        start = time.monotonic()
        assert desk.do("client.wait_msg()") is None
        assert time.monotonic() - start < 0.5
    finally:
        desk.do("idle = True")


def test_one_message_a_call(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "one", 1, (0, "t"))
    desk.do("client.subscribe('one/t')")
    pump.do("client.publish('one/t', '0')")
    assert until(lambda: desk.heard() == ["0"])
    desk.do("idle = False")
    try:
        for i in range(1, 4):
            pump.do(f"client.publish('one/t', '{i}', qos=1)")
        for i in range(1, 4):
            assert desk.do("client.check_msg()") == 0x30
            assert desk.heard() == [str(n) for n in range(i + 1)]
        assert desk.do("client.check_msg()") is None
    finally:
        desk.do("idle = True")


def test_disconnecting_and_connecting_again(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "back1", 1, (0, "t"))
    form(plant, "back3", 3, (0, "t"))
    for gid in ("back1", "back3"):
        desk.do(f"client.subscribe('{gid}/t', 1)")
    for round in range(2):
        for device in (pump, desk):
            device.do("client.disconnect()")
            assert device.do("client.sock is None")
            with pytest.raises(Remote, match="OSError"):
                device.do("client.check_msg()")
            with pytest.raises(Remote, match="OSError"):
                device.do("client.publish('back1/t', 'x')")
            start = time.monotonic()
            assert device.do("client.connect()") == 0
            assert time.monotonic() - start < 1
        for gid in ("back1", "back3"):
            pump.do(f"client.publish('{gid}/t', '{round}', qos=1)")
    assert until(lambda: desk.heard("back1/t") == desk.heard("back3/t") == ["0", "1"]), desk.told


def test_mistakes_are_told(plant: Plant, pump: Device) -> None:
    form(plant, "oops", 1, (0, "t"), (2, "s/+"))
    for line, error in (
        ("client.publish('nowhere', 'x')", "Refused: topic"),
        ("client.publish('oops/t', 'x', True)", "Refused: policy"),
        ("client.publish('oops/t', 'x', mode=4)", "Refused: mode"),
        ("client.publish('oops/t', 'x', qos=2)", "ValueError"),
        ("client.publish('oops/t', 5)", "TypeError"),
        ("client.publish('oops/#', 'x')", "Refused: topic"),
        ("client.publish('microseal/signer', 'x')", "Refused: topic"),
        ("client.subscribe('oops/#/t')", "ValueError"),
        ("client.subscribe('oops/t', 3)", "ValueError"),
        ("client.set_last_will('oops/t', 'x', qos=3)", "ValueError"),
        ("client.set_last_will('oops/#', 'x')", "Refused: topic"),
        (
            "new_client('another')",
            "ValueError: client_id is to be this device's id, pump, or that with / and a name behind it",
        ),
        ("MQTTClient('pump', directory='/nowhere')", "StorageError"),
    ):
        with pytest.raises(Remote) as caught:
            pump.do(line)
        assert ": ".join(caught.value.args).startswith(error), (line, caught.value.args)


def test_a_higher_mode_than_the_groups(plant: Plant, pump: Device, desk: Device) -> None:
    form(plant, "more", 1, (0, "t"))
    desk.do("client.subscribe('more/t', 1)")
    for mode in (1, 2, 3):
        pump.do(f"client.publish('more/t', 'm', qos=1, mode={mode})")
        assert until(lambda mode=mode: [m["mode"] for m in desk.messages("more/t")][-1:] == [mode])
