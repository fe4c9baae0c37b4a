"""The relay passes everything on as it is, but for the messages that it is to alter; a real broker is behind it."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microseal_host.sim.broker import Broker
from microseal_host.sim.mqtt_stream import MAX_PACKET, PacketStream, StreamError
from microseal_host.sim.relay import Relay, alter


def packet(first: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, digit = size >> 7, size & 0x7F
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([first]) + bytes(length) + body


@given(st.lists(st.tuples(st.integers(0x20, 0xFF), st.binary(max_size=300))), st.data())
def test_stream_keeps_every_byte_however_it_is_cut(parts: list[tuple[int, bytes]], data: st.DataObject) -> None:
    packets = [packet(first, body) for first, body in parts]
    stream, found, rest = PacketStream(), [], b"".join(packets)
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        found += [bytes(p) for p in stream.feed(rest[:cut])]
        rest = rest[cut:]
    assert found == packets


@pytest.mark.parametrize(
    "data", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f"], ids=["five bytes", "too large"]
)
def test_stream_refuses_lengths(data: bytes) -> None:
    with pytest.raises(StreamError):
        list(PacketStream().feed(data))
    assert len(data) < MAX_PACKET


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("level", [4, 5])
def test_stream_finds_topic_and_payload(level: int, qos: int) -> None:
    stream = PacketStream()
    connect = packet(0x10, b"\x00\x04MQTT" + bytes([level, 2, 0, 60]) + (b"\x00" if level == 5 else b"") + b"\x00\x01a")
    properties = b"\x03\x23\x00\x07" if level == 5 else b""
    publish = packet(0x30 | qos << 1, b"\x00\x03a/b" + (b"\x00\x09" if qos else b"") + properties + b"payload")
    first, second = stream.feed(connect + publish)
    assert stream.publish(first) is None
    found = stream.publish(second)
    assert found is not None
    assert (found.topic, found.packet[found.payload_at :]) == (b"a/b", b"payload")


def envelope(mode: int, message: bytes) -> bytearray:
    fixed = 40 if mode == 3 else 27
    return bytearray(bytes([0x10 | mode]) + bytes(fixed - 1) + message + bytes(64))


def test_alter_changes_one_digit_of_a_readable_message() -> None:
    altered = envelope(1, b"load 0.41 ok")
    alter(altered)
    assert altered == envelope(1, b"load 0.40 ok")


@pytest.mark.parametrize(
    "data", [envelope(2, b"1234"), envelope(3, bytes(32)), envelope(1, b""), bytearray(b"x"), bytearray(90)]
)
def test_alter_changes_exactly_one_bit(data: bytearray) -> None:
    before = int.from_bytes(data, "big")
    alter(data)
    assert (before ^ int.from_bytes(data, "big")).bit_count() == 1


def test_alter_leaves_an_empty_payload() -> None:
    data = bytearray(b"header")
    alter(data, len(data))
    assert data == b"header"


@contextmanager
def connected(port: int, protocol: mqtt.MQTTProtocolVersion) -> Iterator[mqtt.Client]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=protocol)
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert ready.wait(10)
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("protocol", [mqtt.MQTTv311, mqtt.MQTTv5])
def test_every_nth_message_is_altered_and_the_authoritys_are_not(
    broker: Broker, protocol: mqtt.MQTTProtocolVersion
) -> None:
    received: queue.Queue[tuple[str, bytes]] = queue.Queue()
    prefix = f"relay{int(protocol)}"
    with Relay(broker.host, broker.port, every=3) as relay:
        with connected(broker.port, mqtt.MQTTv311) as listener, connected(relay.port, protocol) as sender:
            listener.on_message = lambda _client, _data, message: received.put((message.topic, message.payload))
            subscribed = threading.Event()
            listener.on_subscribe = lambda *_: subscribed.set()
            listener.subscribe([(f"{prefix}/#", 1), (f"microseal/{prefix}", 1)])
            assert subscribed.wait(10)
            for i in range(6):
                sender.publish(f"microseal/{prefix}", b"%d" % i, qos=1).wait_for_publish(10)
                sender.publish(f"{prefix}/a", envelope(1, b"%d" % i), qos=i & 1).wait_for_publish(10)
            got = [received.get(timeout=10) for _ in range(12)]
        assert [payload for topic, payload in got if topic.startswith("microseal/")] == [b"%d" % i for i in range(6)]
        messages = [bytes(payload[27:-64]) for topic, payload in got if topic.startswith(prefix)]
        assert messages == [b"0", b"1", b"3", b"3", b"4", b"4"]
        assert (relay.seen, relay.altered) == (6, 2)


def test_relay_closes_both_sides_with_either_and_on_leaving(broker: Broker) -> None:
    with Relay(broker.host, broker.port, every=0) as relay:
        with socket.create_connection((broker.host, relay.port), 5) as client:
            client.sendall(packet(0xC0, b""))  # PINGREQ before CONNECT: the broker hangs up
            assert client.recv(1) == b""
        left = socket.create_connection((broker.host, relay.port), 5)
    with left, suppress(ConnectionResetError):
        assert left.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, relay.port), 5)
