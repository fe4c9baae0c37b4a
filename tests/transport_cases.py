"""Byte-exact cases of the transport over a scripted stream: pytest runs them on CPython, and this file on MicroPython."""

import sys
from errno import ECONNREFUSED, ECONNRESET, ENOTCONN, ETIMEDOUT

from transport_stream import (
    BACKLOG,
    CONNACK,
    Client,
    MQTTClient,
    MQTTException,
    Stream,
    Transport,
    connected,
    errno_of,
    length,
    message,
    mqtt,
    puback,
    raises,
    sleep_ms,
    suback,
    ticks_diff,
    ticks_ms,
)

WAYS = ((0, 0), (1, 1), (2, 3))  # (step, room): all at once, a byte at a time, pieces that fit nothing


# CONNECT and CONNACK


def connect(client):
    client.connect()
    assert len(client.opened[0].writes) == 1
    return client.opened[0].sent


def test_it_is_umqtt():
    client = Transport("c", "broker")
    assert isinstance(client, MQTTClient)
    assert (client.port, client.client_id, client.server, client.keepalive) == (1883, "c", "broker", 0)
    assert Transport("c", "broker", ssl=True).port == 8883
    assert Transport("c", "broker", 7, ssl=True).port == 7


def test_connect_is_one_write_of_these_bytes():
    assert connect(Client(Stream(CONNACK), client_id="pump-3")) == b"\x10\x12\0\x04MQTT\x04\x02\0\0\0\x06pump-3"


def test_connect_with_everything():
    client = Client(Stream(CONNACK), client_id="pümp", user="é", password=b"\0\xff", keepalive=300)
    client.set_last_will("a/ü", "gone", retain=True, qos=1)
    assert connect(client) == (
        b"\x10\x25\0\x04MQTT\x04\xee\x01\x2c\0\x05p\xc3\xbcmp\0\x04a/\xc3\xbc\0\x04gone\0\x02\xc3\xa9\0\x02\0\xff"
    )


def test_connect_flags():
    client = Client(Stream(CONNACK), client_id="", user="u")
    assert connect(client) == b"\x10\x0f\0\x04MQTT\x04\x82\0\0\0\0\0\x01u"
    client = Client(Stream(CONNACK))
    client.set_last_will("w", b"", qos=2)
    client.connect(clean_session=False)
    assert client.opened[0].sent == b"\x10\x12\0\x04MQTT\x04\x14\0\0\0\x01c\0\x01w\0\0"


def test_connect_with_fields_of_any_length():
    for n in (127, 128, 300, 65535):
        client = Client(Stream(CONNACK), client_id="i" * n, user="u" * n, password="p" * n)
        client.set_last_will("t" * n, "m" * n)
        long = n.to_bytes(2, "big")
        body = b"\0\x04MQTT\x04\xc6\0\0" + b"".join(long + letter * n for letter in (b"i", b"t", b"m", b"u", b"p"))
        assert connect(client) == b"\x10" + length(len(body)) + body


def test_connect_refuses_what_it_cannot_send():
    for settings in ({"client_id": "i" * 65536}, {"user": b"u" * 65536}, {"user": "u", "password": "é" * 32768}):
        client = Client(Stream(CONNACK), **settings)
        raises(ValueError, client.connect)
        assert not client.opened
    raises(ValueError, Client(Stream(CONNACK), password="p").connect)
    for keepalive in (-1, 65536):
        raises(ValueError, Client, keepalive=keepalive)
    will = Client().set_last_will
    for topic in ("", "a/#", "+", "a\0", "t" * 65536):
        raises(ValueError, will, topic, "m")
    raises(ValueError, will, "t", "m" * 65536)
    raises(ValueError, will, "t", "m", qos=3)


def test_connack_tells_of_the_session():
    for step, room in WAYS:
        for flag in (0, 1):
            stream = Stream(bytes((0x20, 2, flag, 0)), step, room)
            assert Client(stream).connect(False) == flag
            assert not stream.closed


def test_connack_refused():
    for code in (1, 2, 3, 4, 5, 77):
        client = Client(Stream(bytes((0x20, 2, 0, code))))
        assert raises(MQTTException, client.connect).args == (code,)
        assert client.sock is None and client.opened[0].closed


def test_connack_malformed():
    for answer in (b"\x21\x02\0\0", b"\x20\x03\0\0\0", b"\x20\x02\x02\0", b"\x30\x02\0\0", b"HTTP/1.1 400 "):
        client = Client(Stream(answer))
        raises(MQTTException, client.connect)
        assert client.sock is None and client.opened[0].closed


def test_connack_missing():
    for answer in (b"", b"\x20", b"\x20\x02\0"):
        client = Client(Stream(answer), timeout=0.05)
        start = ticks_ms()
        assert errno_of(raises(OSError, client.connect)) == ETIMEDOUT
        assert ticks_diff(ticks_ms(), start) < 5000
        assert client.opened[0].closed
        client = Client(Stream(answer, ends=True))
        assert errno_of(raises(OSError, client.connect)) == ECONNRESET
        assert client.opened[0].closed


def test_connect_has_a_timeout_of_its_own():
    client = Client(Stream(), timeout=60)
    start = ticks_ms()
    assert errno_of(raises(OSError, client.connect, timeout=0.02)) == ETIMEDOUT
    assert ticks_diff(ticks_ms(), start) < 5000


def test_not_connected():
    client = Client()
    for call in (client.check_msg, client.wait_msg, client.ping):
        assert errno_of(raises(OSError, call)) == ENOTCONN
    for qos in (0, 1):
        assert errno_of(raises(OSError, client.publish, "t", "m", qos=qos)) == ENOTCONN
    assert errno_of(raises(OSError, client.subscribe, "t")) == ENOTCONN
    client.disconnect()


# Publishing


def test_publish_is_one_write():
    client, stream = connected()
    client.publish(b"a/b", b"hello")
    client.publish("ä", "ü", retain=True)
    client.publish("t", memoryview(bytearray(b"xyz"))[1:])
    client.publish("t", b"")
    assert stream.writes == [
        b"\x30\x0a\0\x03a/bhello",
        b"\x31\x06\0\x02\xc3\xa4\xc3\xbc",
        b"\x30\x05\0\x01tyz",
        b"\x30\x03\0\x01t",
    ]


def test_publish_in_pieces_of_any_size():
    for room in (1, 7, 500):
        client, stream = connected(room=room)
        payload = bytes(i & 0xFF for i in range(1500))
        client.publish("topic", payload)
        assert stream.sent == message(b"topic", payload)
        assert max(len(piece) for piece in stream.writes) == room


def test_publish_at_every_length_of_the_length():
    for total in (3, 127, 128, 16383, 16384, 2097151, 2097152):
        client, stream = connected()
        payload = bytes(total - 3)
        client.publish("t", payload)
        assert stream.writes[0][: 1 + len(length(total))] == b"\x30" + length(total)
        assert len(stream.writes) == (1 if total < 500 else 2)
        assert stream.sent == message(b"t", payload)


def test_publish_fills_the_buffer_and_then_sends_the_payload_where_it_lies():
    for size in range(495, 515):
        client, stream = connected(buffer=512)
        client.publish("t", b"x" * size)
        assert len(stream.writes[0]) == min(512, size + 6)
        assert stream.sent == message(b"t", b"x" * size)


def test_publish_on_topics_of_any_length():
    for size in (127, 128, 255, 256, 505, 512, 600, 65535):
        topic = "é" * (size // 2) + "x" * (size % 2)
        client, stream = connected(puback(1))
        client.publish(topic, b"payload", qos=1)
        assert stream.sent == message(topic.encode(), b"payload", qos=1, pid=1)


def test_publish_qos_1():
    for step, room in WAYS:
        client, stream = connected(puback(1) + puback(2), step, room)
        client.publish("t", "m", qos=1)
        assert stream.sent == b"\x32\x06\0\x01t\0\x01m"
        client.publish("t", "m", retain=True, qos=1)
        assert stream.sent[8:] == b"\x33\x06\0\x01t\0\x02m"
        assert room or len(stream.writes) == 2


def test_publish_qos_1_waits_for_its_own_acknowledgement():
    client, stream = connected(puback(7) + b"\xd0\0" + suback(1, 0) + b"\xb0\x02\0\x01" + puback(1))
    client.publish("t", "m", qos=1)
    assert not stream.inbound
    client, stream = connected(puback(2), attempts=0, timeout=0.05)
    assert errno_of(raises(OSError, client.publish, "t", "m", qos=1)) == ETIMEDOUT


def test_publish_qos_1_gives_up():
    client, stream = connected(attempts=0, timeout=0.05)
    start = ticks_ms()
    assert errno_of(raises(OSError, client.publish, "t", "m", qos=1)) == ETIMEDOUT
    assert ticks_diff(ticks_ms(), start) < 5000
    assert stream.closed and client.sock is None


def test_publish_gives_up_when_nothing_is_taken():
    for qos in (0, 1):
        client, stream = connected(attempts=0, timeout=0.05)
        stream.stuck = True
        assert errno_of(raises(OSError, client.publish, "t", "m", qos=qos)) == ETIMEDOUT
        assert stream.closed


def test_packet_ids_wrap_and_are_never_0():
    client, stream = connected(puback(65534) + puback(65535) + puback(1))
    client.pid = 65533
    for _ in range(3):
        client.publish("t", "m", qos=1)
    assert [stream.writes[i][5:7] for i in range(3)] == [b"\xff\xfe", b"\xff\xff", b"\0\x01"]


def test_a_packet_id_in_use_is_left_out():
    client, stream = connected(message(b"x", b"") + puback(65535) + puback(2) + puback(1))
    client.pid = 0

    def then(topic, payload, retain):
        client.pid = 65534
        client.publish("a", "", qos=1)
        client.publish("b", "", qos=1)

    client.then = then
    client.publish("t", "m", qos=1)
    assert [write[-2:] for write in stream.writes[1:]] == [b"\xff\xff", b"\0\x02"]


def test_publish_refuses_what_it_cannot_send():
    client, stream = connected()
    for topic in ("", "a/+", "#", "a#", b"a\0b", "t" * 65536, b"\xff\xfe"):
        raises(ValueError, client.publish, topic, "m")
    raises(ValueError, client.publish, "t", "m", qos=2)
    raises(ValueError, client.publish, "t", "m", qos=-1)
    raises(TypeError, client.publish, "t", 5)
    assert not stream.writes and not stream.closed


# Subscribing


def test_subscribe():
    for step, room in WAYS:
        client, stream = connected(suback(1, 0) + suback(2, 1) + suback(3, 0), step, room)
        assert client.subscribe("a/+/#") == 0
        assert client.subscribe("ü", 1) == 1
        assert client.subscribe(b"b", 1) == 0
        assert stream.sent == b"\x82\x0a\0\x01\0\x05a/+/#\0\x82\x07\0\x02\0\x02\xc3\xbc\x01\x82\x06\0\x03\0\x01b\x01"
        assert room or len(stream.writes) == 3


def test_subscribe_asks_for_qos_1_where_2_is_wanted():
    client, stream = connected(suback(1, 1))
    assert client.subscribe("a", 2) == 1
    assert stream.sent[-1:] == b"\x01"


def test_subscribe_to_filters_of_any_length():
    for size in (120, 127, 128, 200, 300, 65535):
        client, stream = connected(suback(1, 0))
        client.subscribe("f" * size)
        body = b"\0\x01" + size.to_bytes(2, "big") + b"f" * size + b"\0"
        assert stream.writes == [b"\x82" + length(len(body)) + body]


def test_subscribe_refused():
    client, stream = connected(suback(1, 0x80))
    assert raises(MQTTException, client.subscribe, "a").args == (0x80,)
    assert not stream.closed


def test_subscribe_answered_nonsense():
    for answer in (suback(1, 2), suback(1, 3), suback(1, 0x81), b"\x90\x02\0\x01", b"\x90\x04\0\x01\0\0", suback(0, 0)):
        client, stream = connected(answer)
        raises(MQTTException, client.subscribe, "a")
        assert stream.closed


def test_subscribe_gives_up():
    client, stream = connected(attempts=0, timeout=0.05)
    assert errno_of(raises(OSError, client.subscribe, "a")) == ETIMEDOUT
    assert stream.closed


def test_subscribe_refuses_what_is_no_filter():
    client, stream = connected()
    for pattern in ("", "a+", "a/b#", "#/a", "a/#/b", "a\0", b"\xff", "f" * 65536, "++", "##"):
        raises(ValueError, client.subscribe, pattern)
    for qos in (-1, 3):
        raises(ValueError, client.subscribe, "a", qos)
    assert not stream.writes


def test_unsubscribe():
    client, stream = connected(suback(1, 0) + b"\xb0\x02\0\x02")
    client.subscribe("a/#")
    client.unsubscribe("a/#")
    assert stream.writes[1] == b"\xa2\x07\0\x02\0\x03a/#"


# Receiving


def test_messages_arrive_whole():
    packets = [(b"a", b"1", 0, 0), (b"b/\xc3\xa9", b"", 0, 1), (b"t" * 300, bytes(3000), 0, 0)]
    for step, room in WAYS:
        inbound = b"".join(message(topic, payload, retain=retain) for topic, payload, _, retain in packets)
        client, stream = connected(inbound, step, room)
        for _ in packets:
            assert client.wait_msg() & 0xF0 == 0x30
        assert client.log == [(topic, payload, bool(retain)) for topic, payload, _, retain in packets]
        assert not stream.writes


def test_qos_1_is_acknowledged_when_the_callback_has_returned():
    for step, room in WAYS:
        client, stream = connected(message(b"t", b"m", qos=1, pid=0x1234, dup=1), step, room)
        client.then = lambda *_, client=client, stream=stream: client.log.append(len(stream.writes))
        client.wait_msg()
        assert client.log == [(b"t", b"m", False), 0]
        assert stream.sent == b"\x40\x02\x12\x34"


def test_the_callback_of_umqtt():
    stream = Stream(CONNACK + message(b"t", b"m") + message(b"u", b"n"))

    class Plain(Transport):
        def _open(self, ms):
            return stream

    client = Plain("c", "broker")
    log = []
    client.connect()
    client.wait_msg()  # for nobody
    client.set_callback(lambda topic, msg: log.append((topic, msg)))
    client.wait_msg()
    assert log == [(b"u", b"n")] and isinstance(log[0][0], bytes) and isinstance(log[0][1], bytes)


def test_check_msg_takes_one_packet_and_does_not_wait():
    client, stream = connected(message(b"a", b"1") + message(b"b", b"2") + b"\xd0\0", timeout=60)
    start = ticks_ms()
    assert client.check_msg() == 0x30 and len(client.log) == 1
    assert client.check_msg() == 0x30 and len(client.log) == 2
    assert client.check_msg() is None and not stream.inbound
    assert client.check_msg() is None
    assert ticks_diff(ticks_ms(), start) < 5000


def test_an_error_of_the_callback_comes_out_and_the_stream_stays_in_step():
    client, stream = connected(message(b"t", b"m", qos=1, pid=5) + message(b"t", b"n", qos=1, pid=6))

    def then(topic, payload, retain):
        if payload == b"m":
            raise OSError(28)

    client.then = then
    assert errno_of(raises(OSError, client.wait_msg)) == 28
    assert not stream.writes and not stream.closed
    client.check_msg()
    assert stream.writes == [puback(6)]


def test_too_large_is_drained_and_counted():
    for step, room in WAYS:
        inbound = message(b"t", bytes(95)) + message(b"t", bytes(98), qos=1, pid=9) + message(b"t", b"ok")
        client, stream = connected(inbound, step, room, max_packet=98, buffer=64)
        for _ in range(3):
            assert client.wait_msg()
        assert client.log == [(b"t", bytes(95), False), (b"t", b"ok", False)]
        assert client.oversized == 1
        assert stream.sent == puback(9)  # else it would come again and again


def test_too_large_takes_no_memory():
    # A length that no board has memory for: not one byte of it is asked for at once.
    inbound = b"\x30\xff\xff\xff\x7f\0\x01t" + bytes(100000)
    client, stream = connected(inbound, ends=True, attempts=0)
    assert errno_of(raises(OSError, client.wait_msg)) == ECONNRESET
    assert client.oversized == 1 and stream.closed and not client.log


def test_a_topic_larger_than_a_packet_may_be():
    client, stream = connected(message(b"t" * 60000, b"m", qos=1, pid=3) + message(b"t", b"ok"))
    client.wait_msg()
    client.wait_msg()
    assert client.log == [(b"t", b"ok", False)] and client.oversized == 1 and stream.sent == puback(3)


class Sink:
    def __init__(self, fails=None):
        self.pieces = []
        self.fails = fails

    def write(self, piece):
        assert isinstance(piece, memoryview)
        self.pieces.append(bytes(piece))
        if self.fails:
            raise self.fails


def with_sink(client, sink):
    """Messages on `big` go to sink; returns the list of what on_publish was asked."""
    asked = []

    def on_publish(topic, length, retain):
        asked.append((topic, length, retain))
        return sink if topic == b"big" else None

    client.on_publish = on_publish
    return asked


def test_a_large_message_streams_into_a_sink():
    payload = bytes(i * 7 & 0xFF for i in range(100000))
    inbound = message(b"a", b"1") + message(b"big", payload, qos=1, pid=4, retain=1) + message(b"b", b"2")
    for step, room in ((0, 0), (333, 1)):
        client, stream = connected(inbound, step, room)
        sink = Sink()
        asked = with_sink(client, sink)
        for _ in range(3):
            client.wait_msg()
        assert asked == [(b"a", 1, False), (b"big", 100000, True), (b"b", 1, False)]
        assert client.log == [(b"a", b"1", False), (b"big", sink, True), (b"b", b"2", False)]
        assert b"".join(sink.pieces) == payload and max(len(piece) for piece in sink.pieces) == 512
        assert stream.sent == puback(4) and client.oversized == 0


def test_an_empty_message_for_a_sink():
    client, stream = connected(message(b"big", b""))
    sink = Sink()
    with_sink(client, sink)
    client.wait_msg()
    assert client.log == [(b"big", sink, False)] and not sink.pieces


def test_a_message_that_is_cut_off_is_not_received():
    client, stream = connected(message(b"big", bytes(2000))[:-1], ends=True, attempts=0)
    sink = Sink()
    with_sink(client, sink)
    assert errno_of(raises(OSError, client.wait_msg)) == ECONNRESET
    assert not client.log and sum(len(piece) for piece in sink.pieces) < 2000


def test_on_publish_may_skip_a_message():
    client, stream = connected(message(b"big", bytes(50000), qos=1, pid=2) + message(b"a", b"1"))
    with_sink(client, False)
    client.wait_msg()
    client.wait_msg()
    assert client.log == [(b"a", b"1", False)] and stream.sent == puback(2) and client.oversized == 0


def test_errors_of_a_sink_come_out_and_the_stream_stays_in_step():
    for qos in (0, 1):
        client, stream = connected(message(b"big", bytes(2000), qos=qos, pid=2) + message(b"a", b"1"))
        sink = Sink(ValueError("not this"))
        with_sink(client, sink)
        raises(ValueError, client.wait_msg)
        assert len(sink.pieces) == 1 and not stream.closed and not stream.writes
        client.wait_msg()
        assert client.log == [(b"a", b"1", False)]


def test_errors_of_on_publish_come_out_and_the_stream_stays_in_step():
    client, stream = connected(message(b"x", bytes(2000)) + message(b"a", b"1"))

    def on_publish(topic, length, retain):
        raise KeyError(topic)

    client.on_publish = on_publish
    raises(KeyError, client.wait_msg)
    client.on_publish = lambda *_: None
    client.wait_msg()
    assert client.log == [(b"a", b"1", False)]


def test_no_use_of_the_client_in_the_middle_of_a_message():
    calls = (
        lambda client: client.publish("t", "m"),
        lambda client: client.publish("t", "m", qos=1),
        lambda client: client.subscribe("t"),
        lambda client: client.unsubscribe("t"),
        lambda client: client.wait_msg(),
        lambda client: client.check_msg(),
        lambda client: client.ping(),
        lambda client: client.connect(),
        lambda client: client.reconnect(),
        lambda client: client.disconnect(),
    )
    for call in calls:
        client, stream = connected(message(b"big", b"payload") + message(b"a", b"1"))
        client.on_publish = lambda *_, client=client, call=call: call(client)
        raises(RuntimeError, client.wait_msg)
        client.on_publish = lambda *_: None
        client.wait_msg()
        assert client.log == [(b"a", b"1", False)] and not stream.writes


def test_an_interrupt_in_the_middle_of_a_packet_closes():
    client, stream = connected(message(b"big", bytes(2000)))
    sink = Sink(KeyboardInterrupt())
    with_sink(client, sink)
    raises(KeyboardInterrupt, client.wait_msg)
    assert stream.closed and client.sock is None


# A broker that sends anything but MQTT

NONSENSE = (
    b"\x00\x00",
    b"\x10\x00",
    CONNACK,
    b"\x36\x0c\0\x01t\0\x01payload",  # QoS 3
    b"\x34\x0c\0\x01t\0\x01payload",  # QoS 2, never subscribed to
    b"\x38\x04\0\x01tx",  # DUP with QoS 0
    b"\x30\x00",
    b"\x30\x01\0",
    b"\x30\x02\0\0",  # no topic
    b"\x30\x03\0\x02t",  # topic longer than the packet
    b"\x30\x7f\xff\xff" + bytes(125),
    b"\x32\x03\0\x01t",  # no packet id
    b"\x32\x04\0\x01t\0",
    b"\x32\x05\0\x01t\0\0",  # packet id 0
    b"\x30\x04\0\x02t\0",  # NUL, wildcards
    b"\x30\x04\0\x02t#",
    b"\x30\x04\0\x02t+",
    b"\x30\xff\xff\xff\xff\x01\0\x01t",  # length of five bytes
    b"\x30\x80\x80\x80\x80\x00",
    b"\x40\x00",
    b"\x40\x03\0\x01\0",
    b"\x40\x02\0\0",
    b"\x41\x02\0\x01",
    b"\x50\x02\0\x01",
    b"\x62\x02\0\x01",
    b"\x70\x02\0\x01",
    b"\x80\x02\0\x01",
    b"\x90\x02\0\x01",
    b"\x90\x03\0\x01\x02",
    b"\xb0\x03\0\x01\0",
    b"\xc0\x00",
    b"\xd0\x01\0",
    b"\xd1\x00",
    b"\xe0\x00",
    b"\xf0\x00",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
)


def test_nonsense_closes():
    for nonsense in NONSENSE:
        for step in (0, 1):
            for name in ("wait_msg", "check_msg"):
                client, stream = connected(nonsense, step)
                wait = getattr(client, name)
                raises(MQTTException, lambda wait=wait: wait() or wait())
                assert stream.closed and client.sock is None and not client.log and not stream.writes


def test_a_length_may_be_written_longer_than_needed():
    # MQTT 5 forbids it, 3.1.1 does not.
    client, stream = connected(b"\x30\x84\x80\x80\x00\0\x01tm")
    client.wait_msg()
    assert client.log == [(b"t", b"m", False)]


def test_half_a_packet_is_not_waited_for():
    whole = message(b"topic", b"payload", qos=1, pid=1)
    for n in range(1, len(whole)):
        for wait in ("wait_msg", "check_msg"):
            client, stream = connected(whole[:n], attempts=0, timeout=0.01)
            assert errno_of(raises(OSError, getattr(client, wait))) == ETIMEDOUT
            assert stream.closed and not client.log


def test_a_broker_that_sends_a_byte_now_and_then():
    stream = Stream(CONNACK)
    client = Client(stream, timeout=0.06, attempts=0)
    client.connect()
    stream.inbound = bytearray(message(b"t", bytes(300)))
    stream.step = 1
    stream.trickle = 20
    start = ticks_ms()
    assert errno_of(raises(OSError, client.wait_msg)) == ETIMEDOUT
    assert ticks_diff(ticks_ms(), start) < 3000 and stream.closed


def xorshift(seed):
    """Numbers of 32 bits that are the same on both interpreters."""
    while True:
        seed ^= seed << 13 & 0xFFFFFFFF
        seed ^= seed >> 17
        seed ^= seed << 5 & 0xFFFFFFFF
        yield seed


def fuzz(inbound, step):
    """Reads inbound to its end: whatever it is, nothing but MQTTException and the end comes out, and then it is closed."""
    client, stream = connected(inbound, step, ends=True, attempts=0, max_packet=64, buffer=64)
    try:
        while True:
            client.wait_msg()
    except MQTTException:
        pass
    except OSError as e:
        assert errno_of(e) == ECONNRESET
    assert stream.closed and client.sock is None
    return client


def test_random_bytes():
    numbers = xorshift(2463534242)
    for _ in range(300):
        fuzz(bytes(next(numbers) >> 8 & 0xFF for _ in range(next(numbers) % 40)), next(numbers) % 3)


def test_mutated_packets():
    numbers = xorshift(88172645)
    session = (
        message(b"t", b"m")
        + puback(1)
        + message(b"topic", b"x" * 30, qos=1, pid=7, dup=1)
        + b"\xd0\0"
        + suback(3, 0x80)
        + message(b"l" * 70, b"x", retain=1)
        + b"\xb0\x02\0\x04"
    )
    assert len(fuzz(session, 0).log) == 2
    for _ in range(600):
        mutant = bytearray(session)
        for _ in range(1 + next(numbers) % 3):
            at = next(numbers) % len(mutant)
            if next(numbers) % 4:
                mutant[at] = next(numbers) & 0xFF
            else:
                mutant = mutant[:at] + mutant[at + 1 + next(numbers) % 4 :] or bytearray(1)
        fuzz(bytes(mutant), next(numbers) % 3)


# Callbacks that use the client


def test_a_callback_may_publish():
    client, stream = connected(message(b"q", b"?", qos=1, pid=9) + puback(1))
    client.then = lambda *_: client.publish("answer", "!", qos=1)
    client.wait_msg()
    assert stream.writes == [b"\x32\x0b\0\x06answer\0\x01!", puback(9)]


def test_messages_during_a_wait_are_handed_over_in_order_and_not_inside_each_other():
    n = 4
    inbound = message(b"q", b"0", qos=1, pid=1)
    inbound += b"".join(message(b"q", str(i).encode(), qos=1, pid=i + 1) for i in range(1, n + 1))
    inbound += b"".join(puback(i + 1) for i in range(n + 1))
    client, stream = connected(inbound)
    depth = [0, 0]

    def then(topic, payload, retain):
        depth[0] += 1
        depth[1] = max(depth)
        client.publish("a", payload, qos=1)
        depth[0] -= 1

    client.then = then
    while stream.inbound or client.check_msg():
        client.wait_msg()
    assert [payload for _, payload, _ in client.log] == [str(i).encode() for i in range(n + 1)]
    assert depth == [0, 1] and client.overrun == 0
    # Each is acknowledged after its answer was.
    kinds = [write[0] for write in stream.writes]
    assert kinds == [0x32, 0x40] * (n + 1)


def test_messages_arrive_while_a_publish_waits():
    client, stream = connected(message(b"a", b"1") + message(b"b", b"2", qos=1, pid=8) + puback(1))
    client.publish("t", "m", qos=1)
    assert client.log == [(b"a", b"1", False), (b"b", b"2", False)]
    assert stream.writes[1:] == [puback(8)]


def flooded(payloads, clean_session=True, **settings):
    """A client whose callback for the first message waited while all these came; returns it with its stream."""
    flood = b"".join(message(b"f", payload, qos=1, pid=i + 1) for i, payload in enumerate(payloads))
    client, stream = connected(message(b"q", b"") + flood + puback(1), clean_session=clean_session, **settings)

    def then(topic, payload, retain):
        if topic == b"q":
            client.publish("t", "m", qos=1)

    client.then = then
    while client.check_msg():
        pass
    return client, stream


def test_more_messages_during_a_callback_than_there_is_room_for():
    client, stream = flooded([bytes((i,)) for i in range(BACKLOG + 5)])
    assert [payload for topic, payload, _ in client.log if topic == b"f"] == [bytes((i,)) for i in range(BACKLOG)]
    assert client.overrun == 5
    # Those that are lost never come again, and are not to keep the broker from sending others.
    lost = [puback(BACKLOG + i + 1) for i in range(5)]
    assert stream.writes[1:] == lost + [puback(i + 1) for i in range(BACKLOG)]


def test_what_is_lost_comes_again_where_the_broker_keeps_the_session():
    client, stream = flooded([bytes((i,)) for i in range(BACKLOG + 5)], clean_session=False)
    assert client.overrun == 5
    assert stream.writes[1:] == [puback(i + 1) for i in range(BACKLOG)]


def test_more_bytes_during_a_callback_than_there_is_room_for():
    client, stream = flooded([bytes(90), bytes(90), bytes(21), bytes(20), b"x"], max_packet=100)
    assert [len(payload) for topic, payload, _ in client.log if topic == b"f"] == [90, 90, 20]
    assert client.overrun == 2 and stream.writes[1:] == [puback(3), puback(5), puback(1), puback(2), puback(4)]


def test_a_large_message_during_a_callback_streams():
    inbound = message(b"q", b"") + message(b"big", bytes(5000)) + message(b"f", bytes(50)) + puback(1)
    client, stream = connected(inbound, max_packet=100)
    sink = Sink()
    with_sink(client, sink)
    client.then = lambda topic, *_: client.publish("t", "m", qos=1) if topic == b"q" else None
    client.wait_msg()
    assert client.check_msg()
    assert [topic for topic, _, _ in client.log] == [b"q", b"big", b"f"] and client.overrun == 0
    assert sum(len(piece) for piece in sink.pieces) == 5000


def test_waiting_inside_a_callback():
    client, stream = connected(message(b"a", b"1") + message(b"b", b"2") + message(b"c", b"3"))
    seen = []

    def then(topic, payload, retain):
        if topic == b"a":
            assert client.wait_msg() == 0x30
            assert client.check_msg() == 0x30
            seen.append(len(client.log))

    client.then = then
    client.wait_msg()
    assert client.check_msg() == 0x30
    assert seen == [1] and [topic for topic, _, _ in client.log] == [b"a", b"b", b"c"]


def test_the_time_of_callbacks_is_not_the_brokers():
    inbound = b"".join(message(b"s", b"") for _ in range(4)) + puback(1)
    client, stream = connected(inbound, timeout=0.3, attempts=0)
    client.then = lambda *_: sleep_ms(150)
    client.publish("t", "m", qos=1)
    assert len(client.log) == 4


def test_a_flood_of_messages_does_not_hold_up_a_publish_for_ever():
    class Flood(Stream):
        def readinto(self, buffer):
            if len(self.inbound) < 100:
                self.inbound += message(b"f", b"") * 10
            return super().readinto(buffer)

    stream = Flood(CONNACK)
    client = Client(stream, timeout=0.1, attempts=0)
    client.connect()
    client.received = lambda *_: None
    start = ticks_ms()
    assert errno_of(raises(OSError, client.publish, "t", "m", qos=1)) == ETIMEDOUT
    assert ticks_diff(ticks_ms(), start) < 10000


# Losing the connection


def test_publish_again_with_dup_on_a_new_connection():
    for lost in (Stream(CONNACK, ends=True), Stream(CONNACK)):
        again = Stream(CONNACK + puback(1))
        client = Client(lost, again, timeout=0.2)
        client.connect()
        client.publish("t", "m", qos=1)
        assert lost.closed and lost.sent[-8:] == b"\x32\x06\0\x01t\0\x01m"
        assert again.sent[-8:] == b"\x3a\x06\0\x01t\0\x01m"
        assert client.links == 2 and len(client.pauses) == 1


def test_publish_qos_0_again_on_a_new_connection():
    client, stream = connected(more=[OSError(ECONNREFUSED), Stream(CONNACK)], timeout=0.1)
    stream.stuck = True
    client.publish("t", "m")
    assert client.opened[1].writes[1:] == [b"\x30\x04\0\x01tm"]
    assert len(client.pauses) == 2


def test_all_filters_are_subscribed_to_again():
    again = Stream(CONNACK + suback(5, 0) + suback(6, 1) + message(b"b", b"!") + puback(4))
    client, stream = connected(suback(1, 0) + suback(2, 1) + suback(3, 0) + b"\xb0\x02\0\x04", more=[again])
    client.subscribe("a")
    client.subscribe("b", 1)
    client.subscribe("c")
    client.unsubscribe("c")
    client.pid = 3  # so that the publish has the packet id 4, and the subscriptions those after
    stream.ends = True
    client.publish("t", "m", qos=1)
    wanted = [b"\x82\x06\0\x05\0\x01a\0", b"\x82\x06\0\x06\0\x01b\x01"]
    assert sorted(again.writes[1:3]) == sorted(wanted) or sorted(again.writes[1:3]) == sorted(
        [b"\x82\x06\0\x06\0\x01a\0", b"\x82\x06\0\x05\0\x01b\x01"]
    )
    assert again.writes[3] == b"\x3a\x06\0\x01t\0\x04m"
    assert client.log == [(b"b", b"!", False)]


def test_subscribe_again_when_the_connection_is_lost_in_between():
    again = Stream(CONNACK + suback(1, 0))
    client, stream = connected(ends=True, more=[again])
    assert client.subscribe("a") == 0
    assert again.writes[1:] == [b"\x82\x06\0\x01\0\x01a\0"]


def test_a_renewed_subscription_that_is_refused():
    again = Stream(CONNACK + suback(2, 0x80) + message(b"t", b"m"))
    third = Stream(CONNACK + suback(3, 0))
    client, stream = connected(suback(1, 0), ends=True, more=[again, third])
    client.subscribe("a")
    assert raises(MQTTException, client.wait_msg).args == (0x80,)
    assert not again.closed
    assert client.wait_msg() == 0x30
    client.reconnect()
    assert third.writes[1:] == [b"\x82\x06\0\x03\0\x01a\0"]


def test_wait_msg_goes_on_with_a_new_connection():
    client, stream = connected(ends=True, more=[OSError(ECONNREFUSED), Stream(CONNACK + message(b"t", b"m"))])
    assert client.wait_msg() == 0x30
    assert client.log == [(b"t", b"m", False)]


def test_no_new_connection_where_none_is_wanted():
    client, stream = connected(ends=True, attempts=0, more=[Stream(CONNACK)])
    raises(OSError, client.wait_msg)
    assert len(client.opened) == 1
    client.reconnect()
    assert len(client.opened) == 2
    client, stream = connected(more=[Stream(CONNACK)])
    client.disconnect()
    assert stream.writes == [b"\xe0\0"] and stream.closed and client.sock is None
    raises(OSError, client.publish, "t", "m")
    assert len(client.opened) == 1


def test_disconnect_of_a_broken_connection():
    client, stream = connected(timeout=0.05)
    stream.stuck = True
    client.disconnect()
    assert stream.closed


def test_attempts_end():
    client, stream = connected(ends=True, attempts=3, more=[OSError(ECONNREFUSED)] * 9)
    assert errno_of(raises(OSError, client.wait_msg)) == ECONNREFUSED
    assert len(client.streams) == 6 and len(client.pauses) == 3


def test_a_message_that_the_broker_hangs_up_on():
    client, stream = connected(ends=True, attempts=3, more=[Stream(CONNACK, ends=True) for _ in range(9)])
    assert errno_of(raises(OSError, client.publish, "t", "m", qos=1)) == ECONNRESET
    assert client.links == 4


def test_a_broker_that_is_not_ready_is_asked_again_and_one_that_refuses_is_not():
    client, stream = connected(ends=True, more=[Stream(b"\x20\x02\0\x03"), Stream(CONNACK + message(b"t", b""))])
    assert client.wait_msg() == 0x30
    client, stream = connected(ends=True, more=[Stream(b"\x20\x02\0\x05"), Stream(CONNACK + message(b"t", b""))])
    assert raises(MQTTException, client.wait_msg).args == (5,)


def test_backoff_doubles_up_to_its_limit_with_jitter():
    seen = set()
    for _ in range(20):
        client = Client(*[OSError(ECONNREFUSED)] * 10, attempts=9, backoff=1, backoff_max=20)
        raises(OSError, client.connect)
        raises(OSError, client.reconnect)
        for i, ms in enumerate(client.pauses):
            span = min(1000 << i, 20000)
            assert span // 2 - 400 <= ms <= span
        seen.add(client.pauses[6])
    assert len(seen) > 10


def test_a_connection_that_does_not_last_lets_the_backoff_grow_and_one_that_does_resets_it():
    client = Client(*[Stream(CONNACK) for _ in range(6)], backoff=0.1, backoff_max=0.8)
    client.connect()
    for _ in range(4):
        client.reconnect()
    assert client.pauses[3] > 200  # of 400 to 800 ms, less what the test took
    sleep_ms(900)
    client.reconnect()
    assert client.pauses[4] <= 100


def test_check_msg_does_not_sleep():
    client, stream = connected(ends=True, attempts=2, backoff=0.4, more=[OSError(ECONNREFUSED), Stream(CONNACK)])
    start = ticks_ms()
    assert client.check_msg() is None and stream.closed
    calls = 0
    while client.sock is None:
        assert client.check_msg() is None
        calls += 1
        sleep_ms(5)
    assert calls > 3 and client.links == 2 and not client.pauses
    assert ticks_diff(ticks_ms(), start) >= 200


def test_check_msg_raises_after_the_last_attempt():
    client, stream = connected(ends=True, attempts=2, backoff=0, more=[OSError(ECONNREFUSED)] * 4)
    for _ in range(2):
        client.check_msg()
    assert errno_of(raises(OSError, client.check_msg)) == ECONNREFUSED
    assert client.check_msg() is None


def test_the_connection_is_lost_inside_a_callback():
    # The callback's publish makes the new connection; the publish outside must be sent again on it, and the message that
    # came on the old one must not be acknowledged on it.
    again = Stream(CONNACK + puback(2) + puback(1))
    client, stream = connected(message(b"q", b"?", qos=1, pid=1), ends=True, more=[again])
    client.then = lambda *_: client.publish("in", "", qos=1)
    client.publish("out", "", qos=1)
    assert again.writes[1:] == [b"\x3a\x06\0\x02in\0\x02", b"\x3a\x07\0\x03out\0\x01"]
    assert not again.inbound


# Keeping alive


def test_ping_when_idle():
    client, stream = connected(keepalive=1, attempts=0, timeout=0.3)
    start = ticks_ms()
    assert errno_of(raises(OSError, client.wait_msg)) == ETIMEDOUT
    assert 1000 <= ticks_diff(ticks_ms(), start) < 10000
    assert stream.writes == [b"\xc0\0"] and stream.closed


def test_check_msg_pings_too():
    client, stream = connected(keepalive=1, attempts=0, timeout=0.1)
    while not stream.writes:
        assert client.check_msg() is None
        sleep_ms(5)
    stream.inbound = bytearray(b"\xd0\0")
    sleep_ms(150)  # the answer is there: that nobody looked is not the broker's fault
    assert client.check_msg() is None and client.check_msg() is None
    assert stream.writes == [b"\xc0\0"]
    client.ping()
    sleep_ms(150)
    assert errno_of(raises(OSError, client.check_msg)) == ETIMEDOUT
    assert stream.closed


def test_wait_msg_returns_at_the_answer_to_a_ping():
    client, stream = connected(b"\xd0\0")
    client.ping()
    assert client.wait_msg() is None
    assert stream.writes == [b"\xc0\0"]


def pinged(sends, hears):
    """Whether a second of sending, or of hearing something, every 100 ms contains a ping."""
    client, stream = connected(keepalive=1)
    for _ in range(10):
        sleep_ms(100)
        if sends:
            client.publish("t", "m")
        if hears:
            stream.inbound += message(b"t", b"m")
            assert client.check_msg()
        client.check_msg()
    return b"\xc0\0" in stream.writes


def test_ping_unless_something_is_sent_and_something_is_heard():
    # The broker wants to hear of the client (3.1.2.10), and the client of the broker.
    assert pinged(sends=True, hears=False)
    assert pinged(sends=False, hears=True)
    assert not pinged(sends=True, hears=True)


# The smallest parts


def test_length_codec():
    for n in (0, 1, 127, 128, 129, 16383, 16384, 2097151, 2097152, mqtt.MAX_LENGTH):
        buffer = bytearray(6)
        end = mqtt.put_length(buffer, 1, n)
        assert buffer[1:end] == length(n) and 1 <= end - 1 <= 4


def test_small_messages_take_little_memory():
    if sys.implementation.name == "cpython":
        return
    import gc

    client, stream = connected()
    stream.write = len
    client.publish(b"plant/7/pressure", bytes(300))
    payload = bytes(300)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(10):
        client.publish(b"plant/7/pressure", payload)
    used = (gc.mem_alloc() - before) // 10
    gc.enable()
    assert used < 600, used


CASES = [name for name in globals() if name.startswith("test_")]

if __name__ == "__main__":
    for name in CASES:
        try:
            globals()[name]()
        except Exception as e:
            print("fail", name)
            sys.print_exception(e)
        else:
            print("pass", name)
