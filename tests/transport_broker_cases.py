"""Conversations with a real broker, for both interpreters: transport_broker_cases.py PORT CASE [ARGUMENT]. Prints `done`."""

import hashlib
import os
import sys

from transport_stream import MQTTException, Transport, errno_of, raises, sleep_ms, ticks_diff, ticks_ms

PORT = int(sys.argv[1])
NAME = os.urandom(6).hex()  # of this run, for topics and clients


class Client(Transport):
    """log: (topic, payload, retain) as they came; those on topics that end in /big as (topic, size and hash, retain)."""

    def __init__(self, name="", **settings):
        settings.setdefault("timeout", 20)
        super().__init__(NAME + name, "127.0.0.1", PORT, **settings)
        self.log = []

    def on_publish(self, topic, length, retain):
        return Digest() if topic.endswith(b"/big") else None

    def received(self, topic, payload, retain):
        self.log.append((topic, payload.result() if isinstance(payload, Digest) else bytes(payload), retain))

    def wait_for(self, n):
        start = ticks_ms()
        while len(self.log) < n:
            self.check_msg()
            assert ticks_diff(ticks_ms(), start) < 20000, "did not come"
            sleep_ms(1)
        log, self.log = self.log, []
        return log


class Digest:
    def __init__(self):
        self.size = 0
        self.sha = hashlib.sha256()

    def write(self, piece):
        self.size += len(piece)
        self.sha.update(piece)

    def result(self):
        return self.size, self.sha.digest()


def topic(name):
    return (NAME + "/" + name).encode()


def case_topics():
    """Long and Unicode topics and filters, every QoS, payloads of every size up to what is read into memory."""
    client = Client(max_packet=70000)
    assert client.connect() == 0
    long = topic("é" * 100 + "/" + "x" * 300)
    assert client.subscribe(NAME + "/#", 1) == 1
    for name in (topic("a"), long, topic("日本/温度/室内"), topic("t" * 60000)):
        for qos in (0, 1):
            for size in (0, 1, 100, 4000):
                client.publish(name, bytes(size), qos=qos)
                assert client.wait_for(1) == [(name, bytes(size), False)]
    assert client.subscribe(long, 2) == 1
    client.publish(long.decode(), "ü", qos=1)
    assert (long, b"\xc3\xbc", False) in client.wait_for(1)
    client.unsubscribe(NAME + "/#")
    client.unsubscribe(long)
    client.publish(long, "nobody hears this", qos=1)
    assert not client.log
    client.disconnect()


def case_large():
    """100 KB and 1 MB, streamed; what is larger than max_packet elsewhere is counted."""
    client = Client()
    client.connect()
    client.subscribe(topic("+"))
    for size in (100000, 1000000):
        payload = bytes(range(250)) * (size // 250)
        client.publish(topic("big"), payload, qos=1)
        assert client.wait_for(1) == [(topic("big"), (size, hashlib.sha256(payload).digest()), False)]
        client.publish(topic("small"), payload, qos=1)
        client.publish(topic("small"), b"after it")
        assert client.wait_for(1) == [(topic("small"), b"after it", False)]
    assert client.oversized == 2


def case_retained():
    client = Client()
    client.connect()
    client.publish(topic("state"), "on", retain=True, qos=1)
    client.subscribe(topic("state"))
    assert client.wait_for(1) == [(topic("state"), b"on", True)]
    client.publish(topic("state"), "off", retain=True)
    assert client.wait_for(1) == [(topic("state"), b"off", False)]
    client.publish(topic("state"), b"", retain=True)
    client.wait_for(1)
    client.reconnect()
    client.publish(topic("state"), "end")
    assert client.wait_for(1) == [(topic("state"), b"end", False)]


def case_will():
    watcher = Client("w")
    watcher.connect()
    watcher.subscribe(topic("#"))
    will = topic("gone/é" + "x" * 200)
    for says_bye in (True, False):
        client = Client("c" * 200)
        client.set_last_will(will, "grüße", qos=1)
        client.connect()
        if says_bye:
            client.disconnect()
        else:
            client.sock.close()
    assert watcher.wait_for(1) == [(will, "grüße".encode(), False)]
    sleep_ms(200)
    assert not watcher.check_msg()


def case_session():
    """Messages that came in while the client was away, in a session that the broker kept."""
    client = Client("s")
    assert client.connect(clean_session=False) == 0
    client.subscribe(topic("a"), 1)
    client.disconnect()
    other = Client("o")
    other.connect()
    for i in range(3):
        other.publish(topic("a"), str(i), qos=1)
    assert client.connect(clean_session=False) == 1
    assert [payload for _, payload, _ in client.wait_for(3)] == [b"0", b"1", b"2"]
    client.disconnect()
    assert client.connect() == 0


def case_echo():
    """A callback that answers every message with QoS 1, while more of them arrive than a callback's wait has room for."""
    client = Client("e")
    heard = Client("h")
    answered = []

    def answer(name, payload, retain):
        client.publish(topic("answer"), bytes(payload), qos=1)
        answered.append(bytes(payload))

    client.received = answer
    for each in (client, heard):
        each.connect()
    client.subscribe(topic("ask"), 1)
    heard.subscribe(topic("answer"), 1)
    n = 200
    for i in range(n):
        heard.publish(topic("ask"), str(i), qos=1)
        client.check_msg()
    start = ticks_ms()
    while len(answered) + client.overrun < n and ticks_diff(ticks_ms(), start) < 20000:
        client.check_msg()
    assert len(answered) + client.overrun == n and len(answered) > n // 2
    assert [payload for _, payload, _ in heard.wait_for(len(answered))] == answered


def case_keep_alive():
    """Silence for longer than the broker would put up with."""
    client = Client(keepalive=1, attempts=0)
    client.connect()
    client.subscribe(topic("a"))
    start = ticks_ms()
    while ticks_diff(ticks_ms(), start) < 4000:
        client.check_msg()
        sleep_ms(20)
    client.publish(topic("a"), "still here")
    assert client.wait_for(1) and client.links == 1


def case_qos_2():
    """What others publish with QoS 2 arrives, as QoS 1 was asked for."""
    client = Client()
    client.connect()
    client.subscribe(sys.argv[3], 2)
    print("ready")
    client.wait_msg()
    assert client.log == [(sys.argv[3].encode(), b"exactly once", False)]


def case_restart():
    """Goes on through the end of the broker and its start, with nothing sent twice without DUP and nothing lost."""
    client = Client(backoff=0.1, backoff_max=1, attempts=100, timeout=20)
    client.connect()
    client.subscribe(topic("n"))
    for i in range(100000):
        client.publish(topic("n"), str(i), qos=1)
        client.check_msg()
        if i % 50 == 0:
            print("sent", i)
        sleep_ms(2)
        if client.links > 1 and len(client.log) and int(client.log[-1][1]) > i - 5:
            break
    numbers = [int(payload) for _, payload, _ in client.log]
    assert client.links == 2, client.links
    assert sorted(numbers) == numbers and len(set(numbers)) >= len(numbers) - 1, numbers


def case_wait_through_restart():
    """A subscriber that only waits."""
    client = Client(backoff=0.1, backoff_max=0.5, attempts=100, timeout=20)
    client.connect()
    client.subscribe(sys.argv[3])
    print("ready")
    while client.wait_msg() != 0x30:
        pass
    assert client.links == 2 and client.log[0] == (sys.argv[3].encode(), b"after it", False)


def case_frozen():
    """A broker that is there and does nothing: no call waits for ever."""
    client = Client(keepalive=1, timeout=0.5, attempts=0)
    calls = (
        lambda: client.publish(topic("a"), "m", qos=1),
        lambda: client.subscribe(topic("a")),
        lambda: client.unsubscribe(topic("a")),
        client.wait_msg,
        lambda: wait_by_check(client),
        lambda: publish_for_ever(client),
        client.connect,
    )
    for call in calls:
        client.connect(timeout=10)
        print("connected")
        assert sys.stdin.readline() == "frozen\n"
        start = ticks_ms()
        assert raises(OSError, call).args[0] in (110, 11)
        assert ticks_diff(ticks_ms(), start) < 10000 and client.sock is None
        print("survived")
        assert sys.stdin.readline() == "thawed\n"


def wait_by_check(client):
    while True:
        client.check_msg()
        sleep_ms(10)


def publish_for_ever(client):
    payload = bytes(100000)
    while True:
        client.publish(topic("a"), payload)


def case_hangs_up():
    """A broker that closes the connection because of the message itself."""
    client = Client(attempts=3, backoff=0.01)
    client.connect()
    assert isinstance(raises(OSError, client.publish, topic("a"), bytes(5000), qos=1), OSError)
    assert client.links == 4
    client.reconnect()
    client.publish(topic("a"), bytes(500), qos=1)


def case_refused():
    client = Client(user="somebody", password="wrong")
    assert raises(MQTTException, client.connect).args == (5,)
    assert client.sock is None


def case_nobody():
    """No broker at all."""
    client = Client()
    assert errno_of(raises(OSError, client.connect)) == 111


def case_tls():
    import ssl

    def read(path):
        with open(path, "rb") as file:
            return file.read()

    def context(cadata):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=cadata)
        return made

    class Named(Client):
        def _open(self, ms):
            self.server = "127.0.0.1"
            return super()._open(ms)

        def _wrap(self, sock):
            self.server = "localhost"  # the name in the certificate
            return super()._wrap(sock)

    for settings in (
        {"ssl": context(read(sys.argv[3]))},
        {"ssl": True, "ssl_params": {"server_hostname": "localhost"}},
    ):
        client = Named(timeout=20, keepalive=1, **settings)
        client.connect()
        client.subscribe(topic("#"), 1)
        payload = bytes(range(250)) * 400
        client.publish(topic("big"), payload, qos=1)
        assert client.wait_for(1) == [(topic("big"), (100000, hashlib.sha256(payload).digest()), False)]
        for i in range(20):
            client.publish(topic("a"), str(i), qos=1)
        assert [payload for _, payload, _ in client.wait_for(20)] == [str(i).encode() for i in range(20)]
        assert client.check_msg() is None
        client.ping()
        assert client.wait_msg() is None
        client.reconnect()
        client.publish(topic("a"), "again", qos=1)
        assert client.wait_for(1) and client.links == 2
        client.disconnect()
    client = Named(ssl=context(read(sys.argv[4])))
    raises((ValueError, OSError), client.connect)
    assert client.sock is None


def case_tls_that_never_answers():
    client = Client(ssl=True, timeout=0.5)
    start = ticks_ms()
    raises(OSError, client.connect)
    assert ticks_diff(ticks_ms(), start) < 10000 and client.sock is None


globals()["case_" + sys.argv[2]]()
print("done")
