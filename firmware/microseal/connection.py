"""One client's connection to one broker: made with a time-out, lost without harm, and made again.

Section numbers are those of the MQTT 3.1.1 standard.
"""

import os
import socket
from errno import ECONNREFUSED, ENOTCONN

from umqtt.simple import MQTTClient, MQTTException

from . import mqtt
from .link import Link
from .ticks import sleep_ms, ticks_add, ticks_diff, ticks_ms


class Connection(MQTTClient):
    """What Transport is built on; its docstring explains the settings. links: how many connections were made so far."""

    def __init__(
        self,
        client_id,
        server,
        port,
        user,
        password,
        keepalive,
        ssl,
        ssl_params,
        timeout,
        attempts,
        backoff,
        backoff_max,
        buffer,
    ):
        if not 0 <= keepalive <= 65535:
            raise ValueError("keepalive is 0 to 65,535 s")
        if buffer < 64:
            raise ValueError("buffer is at least 64 bytes")
        # ssl is set here: umqtt.simple's versions differ in how they take it.
        super().__init__(client_id, server, port or (8883 if ssl else 1883), user, password, keepalive)
        self.ssl = ssl
        self.ssl_params = ssl_params or {}
        self.attempts = attempts
        self.links = 0
        self._link = Link(int(timeout * 1000), buffer)
        self._backoff = int(backoff * 1000)
        self._backoff_max = int(backoff_max * 1000)
        self._failures = 0  # doublings of the backoff
        self._tries = 0  # failed attempts of check_msg in a row
        self._retry = self._since = self._sent = self._heard = ticks_ms()
        self._pinged = None  # when the ping was sent that has no answer yet
        self._wanted = False  # connect() has succeeded and disconnect() was not called since
        self._clean = True
        self._reading = False  # a packet is half read
        self._filters = {}  # filter: QoS, what reconnect subscribes to
        self._renewed = {}  # packet id: filter, subscribed to by reconnect and not yet acknowledged
        self._pending = {}  # packet id: [type of the acknowledgement, its return code or -1]

    def pause(self, ms):
        """Waits ms before the next attempt to connect; to be replaced where a watchdog wants feeding."""
        sleep_ms(ms)

    def _open(self, ms):
        """The connected stream (see link.py), after ms at most for each step; to be replaced where it is no socket."""
        error = OSError(ENOTCONN)
        for family, kind, proto, _, address in socket.getaddrinfo(self.server, self.port, 0, socket.SOCK_STREAM):
            sock = socket.socket(family, kind, proto)
            try:
                sock.settimeout(ms / 1000)
                sock.connect(address)
                # Nagle's algorithm would hold back a small packet until the broker's delayed acknowledgement.
                if hasattr(socket, "TCP_NODELAY"):
                    sock.setsockopt(6, socket.TCP_NODELAY, 1)
                elif hasattr(socket, "AF_UNIX"):  # MicroPython's Unix port: the option without its name
                    sock.setsockopt(6, 1, 1)
                stream = self._wrap(sock)
                stream.setblocking(False)
                return stream
            except OSError as e:
                sock.close()
                error = e
            except BaseException:
                sock.close()
                raise
        raise error

    def _wrap(self, sock):
        """The socket with TLS around it if that is asked for; a certificate that does not fit raises ValueError."""
        if not self.ssl:
            return sock
        if hasattr(self.ssl, "wrap_socket"):
            return self.ssl.wrap_socket(sock, server_hostname=self.server)
        import ssl

        return ssl.wrap_socket(sock, **self.ssl_params)

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """For the next connect: what the broker publishes when this client is gone without a DISCONNECT.

        topic: str or bytes; msg: str or bytes-like of up to 65,535 bytes; ValueError if they cannot be sent.
        """
        if not 0 <= qos <= 2:
            raise ValueError("QoS is 0, 1 or 2")
        topic = mqtt.check_topic(topic)
        self.lw_msg = mqtt.field(msg, "will")
        self.lw_topic = topic
        self.lw_retain = bool(retain)
        self.lw_qos = qos

    def connect(self, clean_session=True, timeout=None):
        """Connects once; returns 1 if the broker kept a session for this client, else 0. Subscribes to nothing.

        timeout: s, instead of the constructor's. OSError: no connection; MQTTException(1 to 5): refused (3.2.2.3).
        """
        self._check_outside()
        will = (self.lw_topic, self.lw_msg, self.lw_qos, self.lw_retain) if self.lw_topic else None
        packet = mqtt.connect_packet(self.client_id, clean_session, self.keepalive, will, self.user, self.pswd)
        link = self._link
        ms = link.ms if timeout is None else int(timeout * 1000)
        self._close()
        self._since = ticks_ms()
        try:
            self.sock = self._open(ms)
        except BaseException:
            self._postpone()
            raise
        try:
            link.open(self.sock)
            link.write(packet)
            answer = memoryview(bytearray(4))
            link.fill(answer, ms)
            if answer[0] != mqtt.CONNACK or answer[1] != 2 or answer[2] > 1:
                raise MQTTException("not a CONNACK")
            if answer[3]:
                raise MQTTException(answer[3])
        except BaseException:
            self._close()
            raise
        self.links += 1
        self._since = self._sent = self._heard = ticks_ms()
        self._pinged = None
        self._tries = 0
        self._wanted = True
        self._clean = clean_session
        self._renewed.clear()
        return answer[2]

    def reconnect(self):
        """Connects again as before and subscribes to every filter again; up to `attempts` times, backing off.

        Waits for no SUBACK: a filter that the broker refuses now makes whatever waits next raise MQTTException(0x80),
        and is asked for again by the next reconnect.
        """
        self._check_outside()
        self._close()
        tries = 1
        while True:
            ms = ticks_diff(self._retry, ticks_ms())
            if ms > 0:
                self.pause(ms)
            try:
                return self._connect_again()
            except OSError:
                if tries >= self.attempts:
                    raise
                tries += 1

    def disconnect(self):
        """Says good-bye, so that the broker drops the will, and closes. Filters are kept for a later reconnect."""
        self._check_outside()
        self._wanted = False
        if self.sock is not None:
            try:
                self._send(b"\xe0\0")
            except OSError:
                pass  # it is closed either way
            self._close()

    def _connect_again(self):
        try:
            self.connect(self._clean)
        except MQTTException as e:
            if e.args[0] != mqtt.UNAVAILABLE:
                raise
            raise OSError(ECONNREFUSED)
        # Nobody waits for these: messages may come first, and their callbacks may need the connection.
        for pattern, qos in self._filters.items():
            pid = self._new_pid()
            self._renewed[pid] = pattern
            self._send_subscribe(pid, pattern, qos)

    def _check_outside(self):
        # In the middle of a packet (on_publish, a sink), whatever waits would take its payload for the next packet.
        if self._reading:
            raise RuntimeError("the client is reading a message")

    def _new_pid(self):
        while True:
            self.pid = self.pid % 65535 + 1
            if self.pid not in self._pending and self.pid not in self._renewed:
                return self.pid

    def _send_subscribe(self, pid, pattern, qos):
        self._send(mqtt.request_packet(mqtt.SUBSCRIBE, pid, pattern, bytes((qos,))))

    def _recover(self, error):
        """Connects again after `error`, or raises it; an open connection tells that it was the application's own."""
        if self.sock is not None or not self._wanted or not self.attempts:
            raise error
        self.reconnect()

    def _send(self, data, rest=b""):
        """A packet, in one write for data and one for rest; what cannot be sent closes the connection."""
        try:
            self._link.write(data)
            self._link.write(rest)
        except BaseException:
            self._close()  # the broker would take what comes next for the end of this packet
            raise
        self._sent = ticks_ms()

    def _close(self):
        self.sock = None
        if self._link.close():
            self._postpone()

    def _postpone(self):
        """Sets the time of the next attempt; a connection that lasted lets the backoff start from its beginning."""
        now = ticks_ms()
        if not 0 <= ticks_diff(now, self._since) < self._backoff_max:
            self._failures = 0
        span = min(self._backoff << min(self._failures, 16), self._backoff_max) // 2
        # Not the random module: on some ports it starts alike on every board.
        self._retry = ticks_add(now, span + (span * int.from_bytes(os.urandom(2), "big") >> 16))
        self._failures += 1
