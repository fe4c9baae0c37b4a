"""`microseal listen` and `microseal publish` as processes, with a service and a real mosquitto."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authority_house import House, connected, epoch_of, eventually, running
from microseal.inbox import Message
from microseal.policy import Policy
from microseal_host.authority import registry
from microseal_host.failure import DENIED, INTERRUPTED, NEGATIVE, NOT_READY, OK, USAGE
from microseal_host.member.client import MemberClient
from microseal_host.mqtt import Address, new_client
from microseal_host.sim.broker import Broker
from world import World

MICROSEAL = Path(sys.executable).parent / "microseal"


@pytest.fixture
def house(tmp_path: Path, broker: Broker) -> Iterator[House]:
    """An authority with the group `g-…`, its topics beneath the same name: tests share a broker."""
    made = House(tmp_path / "house", Address(broker.host, broker.port))
    made.gid = f"g-{os.urandom(4).hex()}"  # type: ignore[attr-defined]
    with made.database.write() as connection:
        policy = Policy(
            2,
            120,
            1000,
            [(0, f"{made.gid}/t/#".encode()), (1, f"{made.gid}/q/#".encode()), (2, f"{made.gid}/s/#".encode())],
        )
        registry.create_group(connection, made.gid, policy, 86400)
    yield made


def identity(house: House, name: str, roles: str = "") -> list[str]:
    """The options with which a member of its own is enrolled; it is in the group with these roles."""
    claim = house.folder / f"{name}.claim.json"
    claim.write_text(house.claim(name))
    claim.chmod(0o600)
    if roles:
        house.join(house.gid, name, roles)
    return ["--identity", str(house.folder / name), "--claim", str(claim)]


def start(house: House, *words: str, stdin: bytes | None = None) -> subprocess.Popen[bytes]:
    """No database, no passphrase in its environment: a member needs none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MICROSEAL_")}
    return subprocess.Popen(
        [MICROSEAL, *words],
        cwd=house.folder.parent,
        env=environment,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run(house: House, *words: str, code: int = OK, stdin: bytes | None = None) -> tuple[str, str]:
    """(stdout, stderr) of a command that ends with `code`."""
    process = start(house, *words, stdin=stdin)
    out, said = process.communicate(stdin, timeout=60)
    assert b"Traceback" not in said, said.decode()
    assert process.returncode == code, (out, said)
    return out.decode(), said.decode()


@contextmanager
def listening(house: House, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A listener that is ready."""
    process = start(house, "listen", *words)
    try:
        line = process.stderr.readline()
        assert b"listens to" in line, line
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()


def test_from_one_member_to_another(house: House) -> None:
    speaker, listener = identity(house, "speaker", "p"), identity(house, "listener", "s")
    topic = f"{house.gid}/t/x"
    with running(house):
        run(house, "publish", topic, "nobody hears this", *speaker)
        with listening(house, "--json", *listener, "--count", "2") as process:
            run(house, "publish", topic, "21 °C", *speaker[:2])
            out, _ = run(house, "publish", topic, *speaker[:2], "--json", stdin=b"\x00\x1b[31m")
            assert json.loads(out) == {"topic": topic, "sender": "speaker", "mode": 2, "size": 6, "retained": False}
            assert process.wait(20) == OK
            heard = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert [entry.get("value", entry.get("hex")) for entry in heard] == ["21 °C", "001b5b33316d"]
    assert all(entry["sender"] == "speaker" and entry["group"] == house.gid and entry["verified"] for entry in heard)
    assert all(entry["mode"] == 2 and entry["age"] < 40 and not entry["stale"] for entry in heard)


def _in_force(house: House, device: str) -> bool:
    with house.database.read() as connection:
        members = registry.show_group(connection, house.gid, int(time.time())).members
    return any(member.device == device and member.in_force for member in members)


def test_what_a_person_sees(house: House) -> None:
    speaker, listener = identity(house, "speaker", "p"), identity(house, "listener", "s")
    topic = f"{house.gid}/t/é"
    with running(house):
        run(house, "publish", topic, "nobody hears this", *speaker)
        with listening(house, house.gid, *listener, "--count", "2", "--refused") as process:
            run(house, "publish", topic, "hello", *speaker[:2])
            _send(house, topic, b"\x12not an envelope of anybody's")
            run(house, "publish", topic, "\x1b]0;title\x07", *speaker[:2])
            out, said = process.communicate(timeout=30)
    lines = out.decode().splitlines()
    assert "speaker  mode 2" in lines[0] and lines[0].endswith(f"{topic}  hello")
    assert lines[1].endswith("0x1b5d303b7469746c6507")
    assert b"refused on" in said and b"\x1b]0" not in out


def _send(house: House, topic: str, payload: bytes, retain: bool = False) -> None:
    client = new_client(house.address, f"test-{os.urandom(6).hex()}", clean=True)
    client.connect(house.address.host, house.address.port)
    client.loop_start()
    client.publish(topic, payload, 1, retain).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_state_is_there_for_who_comes_later_and_marked_stale(house: House) -> None:
    speaker, listener = identity(house, "speaker", "p"), identity(house, "listener", "s")
    topic = f"{house.gid}/s/door"
    with running(house):
        run(house, "publish", topic, "open", "--retain", *speaker)
        # A state of an epoch that the listener was not in is none for it, so it takes up one with both of them first.
        run(house, "listen", "--timeout", "3", *listener)
        assert eventually(lambda: _in_force(house, "listener"), 20)
        time.sleep(2)  # in force in the database is not yet at the broker, from where the speaker takes its epoch
        run(house, "publish", topic, "open", "--retain", *speaker[:2])
        time.sleep(1.1)
        out, _ = run(house, "listen", "--json", *listener[:2], "--count", "1", "--timeout", "20")
    assert json.loads(out)["value"] == "open" and json.loads(out)["stale"] is True
    _send(house, topic, b"", True)


def test_queries_go_to_publishers(house: House) -> None:
    asker, answerer = identity(house, "asker", "s"), identity(house, "answerer", "p")
    topic = f"{house.gid}/q/status"
    with running(house):
        run(house, "publish", topic, "nobody hears this", *asker)
        with listening(house, "--json", *answerer, "--count", "1") as process:
            run(house, "publish", topic, "?", *asker[:2])
            assert process.wait(20) == OK
            heard = json.loads(process.stdout.read())
    assert heard["query"] is True and heard["sender"] == "asker"


def test_what_is_not_published(house: House) -> None:
    reader, outsider = identity(house, "reader", "s"), identity(house, "outsider")
    with running(house):
        run(house, "publish", f"{house.gid}/q/x", "first", *reader)
        _, said = run(house, "publish", f"{house.gid}/t/x", "m", *reader[:2], code=NEGATIVE)
        assert "--publish" in said
        _, said = run(house, "publish", f"{house.gid}/q/x", "m", "--retain", *reader[:2], code=NEGATIVE)
        assert "state topics" in said
        run(house, "publish", f"{house.gid}/q/x", "x" * 1001, *reader[:2], code=NEGATIVE)
        run(house, "publish", f"{house.gid}/q/x", *reader[:2], stdin=b"x" * 70000, code=USAGE)
        _, said = run(house, "publish", f"{house.gid}/t/x", "m", "--wait", "3", *outsider, code=NOT_READY)
        assert "outsider is in no group with the topic" in said


def test_nothing_to_hear(house: House) -> None:
    with running(house):
        _, said = run(house, "listen", "--timeout", "3", *identity(house, "alone"), code=NOT_READY)
        assert "alone is in no group yet" in said
        _, said = run(house, "listen", "--timeout", "3", *identity(house, "asked", "p"))
        assert "asked listens to" in said, "queries are for publishers"
        member = identity(house, "member", "s")
        run(house, "listen", "--timeout", "4", *member)
        run(house, "listen", "--timeout", "3", "--count", "1", *member[:2], code=NEGATIVE)
        _, said = run(house, "listen", "another", "--timeout", "2", *member[:2], code=NOT_READY)
        assert "not in another yet" in said


def test_nobody_answers(house: House) -> None:
    words = identity(house, "early", "s")
    _, said = run(house, "listen", "--timeout", "2", *words, code=NOT_READY)
    assert "microseal authority run" in said
    _, said = run(house, "listen", "--timeout", "2", "--broker", "127.0.0.1:1", *words[:2], code=NOT_READY)
    assert "Connection refused" in said


def test_an_identity_is_private_and_one_processs(house: House) -> None:
    words = identity(house, "member", "s")
    claim = Path(words[3])
    with running(house), listening(house, *words):
        assert not claim.exists(), "the claim is used up"
        directory = Path(words[1])
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
        _, said = run(house, "publish", "t", "m", *words[:2], code=NOT_READY)
        assert "in use by another process" in said
    directory.chmod(0o755)
    _, said = run(house, "listen", *words[:2], code=DENIED)
    assert f"chmod 700 {directory}" in said


def test_claim_files_that_are_none(house: House) -> None:
    words = identity(house, "member")
    claim = Path(words[3])
    good = claim.read_text()
    claim.chmod(0o644)
    run(house, "listen", *words, code=DENIED)
    claim.chmod(0o600)
    for text in ("", "{}", "[]", good[:-3], json.dumps(json.loads(good) | {"claim": "00"}), "\udcff"):
        claim.write_bytes(text.encode("utf-8", "surrogateescape"))
        run(house, "listen", *words, code=NEGATIVE)
    assert claim.exists()
    run(house, "listen", *words[:3], "absent", code=NOT_READY)


def test_ctrl_c(house: House) -> None:
    words = identity(house, "member", "s")
    with running(house):
        for waiting in (False, True):
            process = start(house, "listen", *words)
            if not waiting:
                assert eventually(lambda: _in_force(house, "member"), 20)
            else:
                time.sleep(1.0)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=10)
            assert process.returncode == INTERRUPTED and b"Traceback" not in said
            words = words[:2]


def test_a_closed_pipe_ends_it_quietly(house: House) -> None:
    speaker, listener = identity(house, "speaker", "p"), identity(house, "listener", "s")
    topic = f"{house.gid}/t/x"
    with running(house):
        run(house, "publish", topic, "nobody hears this", *speaker)
        with listening(house, *listener) as process:
            process.stdout.close()
            for _ in range(2):
                run(house, "publish", topic, "m", *speaker[:2])
            assert process.wait(20) != OK
            assert b"Traceback" not in process.stderr.read()


# What the broker sees of a mode 3 group


def test_mode_3_travels_on_a_connection_of_its_own(tmp_path: Path, broker: Broker) -> None:
    house = House(tmp_path / "house", Address(broker.host, broker.port))
    gid = f"anon-{os.urandom(4).hex()}"
    with house.database.write() as connection:
        registry.create_group(connection, gid, Policy(3, 120, 100, [(0, f"{gid}/#".encode())]), 86400)
    one, other = house.device("one"), house.device("other")
    house.join(gid, "one", "p")
    house.join(gid, "other", "s")
    heard: list[Message] = []
    log = broker.child.log
    before = len(log.read_text())
    with running(house), connected(house, one) as sender, connected(house, other, on_message=heard.append) as receiver:

        def step() -> None:
            sender.step(0.02)
            receiver.step(0.02)

        assert eventually(lambda: epoch_of(one, gid) == epoch_of(other, gid) > 0, step=step)
        # t is rounded down to 30 s, and a receiver takes only what is dated after its start.
        assert eventually(lambda: receiver.listening, step=step)
        heard_from = time.time()
        assert eventually(lambda: time.time() // 30 * 30 > heard_from, 40, step)
        assert sender.publish(f"{gid}/x".encode(), b"hello")
        assert eventually(lambda: bool(heard), step=step)
    assert heard[0].mode == 3 and heard[0].sender == b"one"
    names = [line.split(" as ")[1].split(" ")[0] for line in log.read_text()[before:].splitlines() if " as " in line]
    assert {"one", "other"} <= set(names)
    assert len([name for name in names if len(name) == 16 and set(name) <= set("0123456789abcdef")]) == 2


class Confirmed:
    """A connection whose broker has confirmed everything."""

    connected, subscribed = True, {b"microseal/signer"}

    def __init__(self) -> None:
        self.fetched: list[bytes] = []

    def hears(self, filters: set[bytes]) -> bool:
        return True

    def want(self, filters: set[bytes]) -> bool:
        return False

    def fetch(self, topic: bytes) -> None:
        self.fetched.append(topic)


def test_who_says_that_it_listens_hears() -> None:
    """After a message from a clock that is ahead, a receiver that starts again takes none for a while, and says so."""
    with World() as world:
        pump, desk = world.enrol("pump", ahead=10), world.enrol("desk")
        world.form("plant", [pump], [desk], topics=["plant/#"])
        for deaf in (0, 131):  # what was taken is dated 10 s ahead; 120 s, and its own second, come on top
            client = MemberClient(desk.member, Address("nowhere"), None)
            client._link = Confirmed()  # type: ignore[assignment]
            assert (client.deaf_for, client.listening) == (deaf, not deaf)
            world.advance(deaf)
            assert client.listening
            pump.publish("plant/level", b"4.2")
            world.settle()
            assert desk.messages.pop().payload == b"4.2"
            desk.restart()


def test_what_is_wanted_no_more_is_not_fetched() -> None:
    with World() as world:
        client = MemberClient(world.enrol("desk").member, Address("nowhere"), None)
        client._link = link = Confirmed()  # type: ignore[assignment]
        client.member._shared = True  # it has nothing to send
        client.member._fetch((b"microseal/group/left/info", b"microseal/signer"))
        client._serve()
        assert link.fetched == [b"microseal/signer"]
