"""The transport over a scripted stream, byte by byte, on both interpreters; and its codecs against random input."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport_cases
import transport_stream
from microseal import mqtt
from transport_cases import CASES
from transport_stream import connected, length, message, raises


@pytest.mark.parametrize("name", CASES)
def test_on_cpython(name: str) -> None:
    getattr(transport_cases, name)()


@pytest.fixture(scope="module")
def on_micropython(root: Path, micropython: Path, micropython_env: dict[str, str]) -> str:
    """What the cases print there; a small heap shows what takes memory."""
    command = [micropython, "-X", "heapsize=16M", root / "tests/transport_cases.py"]
    result = subprocess.run(command, env=micropython_env, capture_output=True, text=True, timeout=120, check=False)
    return result.stdout + result.stderr


@pytest.mark.parametrize("name", CASES)
def test_on_micropython(name: str, on_micropython: str) -> None:
    assert f"pass {name}\n" in on_micropython, on_micropython[-3000:]


@given(st.integers(0, mqtt.MAX_LENGTH))
def test_length_round_trip(n: int) -> None:
    buffer = bytearray(5)
    end = mqtt.put_length(buffer, 0, n)
    assert buffer[:end] == length(n)
    client, stream = connected(bytes(buffer[1:end]))
    assert client._read_length(buffer[0]) == n
    assert not stream.inbound


names = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=400)


@given(
    st.lists(st.tuples(names, st.binary(max_size=1500), st.integers(0, 1), st.booleans()), max_size=6),
    st.integers(0, 20),
)
def test_every_message_is_read_as_it_was_sent(messages: list[tuple[str, bytes, int, bool]], step: int) -> None:
    packets = [
        message(topic.encode(), payload, qos=qos, pid=i + 1, retain=retain)
        for i, (topic, payload, qos, retain) in enumerate(messages)
    ]
    client, stream = connected(b"".join(packets), step)
    for _ in packets:
        client.wait_msg()
    assert client.log == [(topic.encode(), payload, retain) for topic, payload, _, retain in messages]
    wanted = [transport_stream.puback(i + 1) for i, (_, _, qos, _) in enumerate(messages) if qos]
    assert stream.writes == wanted


@given(names, st.binary(max_size=3000), st.booleans(), st.integers(0, 600), st.integers(64, 700))
def test_every_message_is_written_as_the_standard_says(
    topic: str, payload: bytes, retain: bool, room: int, buffer: int
) -> None:
    client, stream = connected(room=room, buffer=buffer)
    client.publish(topic, payload, retain)
    packet = message(topic.encode(), payload, retain=retain)
    assert stream.sent == packet
    if not room and len(packet) <= buffer:
        assert len(stream.writes) == 1


@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_bytes_are_read_or_refused(inbound: bytes, step: int) -> None:
    transport_cases.fuzz(inbound, step)


@given(st.binary(max_size=100))
def test_any_answer_to_connect_is_taken_or_refused(inbound: bytes) -> None:
    stream = transport_stream.Stream(inbound, ends=True)
    client = transport_stream.Client(stream)
    if inbound[:2] == b"\x20\x02" and inbound[2:4] in (b"\0\0", b"\1\0"):
        assert client.connect() == inbound[2]
        return
    raises((OSError, transport_cases.MQTTException), client.connect)
    assert stream.closed


@given(st.text(max_size=12, alphabet="ab/+#\0é"))
def test_filters_are_those_of_section_4_7(text: str) -> None:
    levels = text.split("/")
    valid = (
        bool(text)
        and "\0" not in text
        and all(level in ("+", "#") or not set("+#") & set(level) for level in levels)
        and "#" not in levels[:-1]
    )
    if valid:
        assert mqtt.check_filter(text) == text.encode()
    else:
        raises(ValueError, mqtt.check_filter, text)
