"""MQTT 3.1.1 over umqtt.simple: plain transport, nothing secret or signed about it.

umqtt.simple gives the interface, the settings and MQTTException. What reads and writes packets is replaced: there, each
wait is for ever, each field leaves in a write of its own, lengths are of characters, and a broker is believed.

Every wait has a limit, `timeout`: for a packet's acknowledgement (without the time that callbacks take), the answer to
a ping, and each piece of a packet in either direction. A wait that runs out raises OSError(ETIMEDOUT), a stream that
ends OSError(ECONNRESET), bytes that are not MQTT raise MQTTException. After each of them the connection is closed.

Section numbers are those of the MQTT 3.1.1 standard.
"""

from errno import ENOTCONN, ETIMEDOUT

from umqtt.simple import MQTTException

from . import mqtt
from .connection import Connection
from .ticks import ticks_diff, ticks_ms

BACKLOG = 32  # messages that may come in while a callback waits, of twice max_packet bytes together
PROBE = 60  # s of silence after which wait_msg asks whether the broker is still there, where keepalive is 0


class Transport(Connection):
    """umqtt.simple's MQTTClient: each packet in one write, no endless wait, and connections that are made again.

    client_id, user, password: str or bytes of up to 65,535 bytes. keepalive: s, 0 = off. ssl: an SSLContext, or True
    and ssl_params for ssl.wrap_socket (whose default checks no certificate). timeout: s, see above, for connecting as
    well. attempts: how often an operation that finds the connection gone connects again before it raises, 0 = never;
    before each it waits a random time of half to all of `backoff` s, doubled each time up to `backoff_max`.
    max_packet: bytes after the fixed header of the largest PUBLISH that is read into memory. buffer: bytes, one for
    sending (a PUBLISH that fits leaves in one write, a larger one in two) and one for receiving.

    links counts the connections made; oversized the messages lost because they were larger than max_packet; overrun
    those lost because too many came in while a callback was waiting: more than BACKLOG, or than twice max_packet bytes.

    A subclass may take messages by on_publish and received, and replace _open for a link that is no socket. Messages
    are handed over one at a time: what comes in while a callback waits, when that callback has returned.
    """

    def __init__(
        self,
        client_id,
        server,
        port=0,
        user=None,
        password=None,
        keepalive=0,
        ssl=None,
        ssl_params=None,
        timeout=10,
        attempts=8,
        backoff=1,
        backoff_max=60,
        max_packet=4096,
        buffer=512,
    ):
        super().__init__(
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
        )
        self.max_packet = max_packet
        self.oversized = 0
        self.overrun = 0
        self._head = memoryview(bytearray(2))
        self._delivering = False  # a callback is running
        self._backlog = []  # (topic, payload or sink, retain, packet id or 0, links): read, not yet handed over

    # What a subclass replaces.

    def on_publish(self, topic, length, retain):
        """A message of `length` bytes on `topic` (bytes) begins. Returns where it goes:

        None: into memory, as a bytearray, if within max_packet. An object with write(memoryview): there, in pieces of
        up to `buffer` bytes, valid during the call only. False: nowhere; it is skipped. A whole message then goes to
        received; one that is lost never does. Neither this nor write may use the client (RuntimeError); an error
        that they raise comes out of whatever was waiting, once the message has been read to its end.
        """
        return

    def received(self, topic, payload, retain):
        """A whole message: payload is a bytearray, or what on_publish returned. QoS 1 is acknowledged on return."""
        if self.cb:
            self.cb(topic, bytes(payload))

    # umqtt.simple's interface, with connect, reconnect, disconnect and set_last_will of Connection.

    def ping(self):
        """Asks the broker for a sign of life; check_msg and wait_msg see to the answer, and ask when it is time."""
        self._check_outside()
        try:
            self._ping()
        except OSError as e:
            self._recover(e)

    def publish(self, topic, msg, retain=False, qos=0):
        """topic: str or bytes; msg: str or bytes-like, up to 256 MB with the topic. QoS 1 waits for its PUBACK.

        ValueError: not a topic name, too long, or QoS 2. OSError: not sent, or (QoS 1) not known to have arrived.
        """
        self._check_outside()
        topic = mqtt.check_topic(topic)
        msg = memoryview(msg.encode() if isinstance(msg, str) else msg)
        if qos not in (0, 1):
            raise ValueError("QoS is 0 or 1")
        if len(topic) + len(msg) + 4 > mqtt.MAX_LENGTH:
            raise ValueError("message too long for MQTT")
        head = mqtt.PUBLISH | qos << 1 | (1 if retain else 0)
        if qos:
            self._transact(mqtt.PUBACK, lambda pid, again: self._send_publish(head | again, topic, pid, msg))
            return
        while True:
            try:
                self._send_publish(head, topic, 0, msg)
                return
            except OSError as e:
                self._recover(e)

    def subscribe(self, topic, qos=0):
        """Returns the QoS granted, 0 or 1 (2 is asked for as 1); MQTTException(0x80) if refused. Survives reconnect."""
        pattern = mqtt.check_filter(topic)
        if not 0 <= qos <= 2:
            raise ValueError("QoS is 0, 1 or 2")
        qos = min(qos, 1)
        code = self._transact(mqtt.SUBACK, lambda pid, again: self._send_subscribe(pid, pattern, qos))
        if code == mqtt.REFUSED:
            raise MQTTException(code)
        self._filters[pattern] = qos
        return code

    def unsubscribe(self, topic):
        """Ends a subscription, for later connections too."""
        pattern = mqtt.check_filter(topic)
        self._filters.pop(pattern, None)
        self._transact(
            mqtt.UNSUBACK,
            lambda pid, again: self._send(mqtt.request_packet(mqtt.UNSUBSCRIBE, pid, pattern)),
        )

    def wait_msg(self):
        """Waits for one packet and handles it. Returns its first byte, or None if it was the answer to a ping."""
        self._check_outside()
        while True:
            try:
                op = self._next(0)
                if op is None:
                    op = self._next(self._keep_alive(self.keepalive or PROBE))
                if op is not None:
                    return None if op == mqtt.PINGRESP else op
            except OSError as e:
                self._recover(e)

    def check_msg(self):
        """Handles one packet if there is one; returns as wait_msg does, or None. Never sleeps.

        A lost connection is tried again when its time has come; OSError is raised after `attempts` failed in a row.
        """
        self._check_outside()
        lost = self.sock is None
        if lost:
            if not self._wanted or not self.attempts:
                raise OSError(ENOTCONN)
            if ticks_diff(self._retry, ticks_ms()) > 0:
                return None
        try:
            if lost:
                self._tries += 1
                self._connect_again()
            op = self._next(0)
            if op is None and self.keepalive:
                self._keep_alive(self.keepalive)
        except OSError:
            if self.sock is not None or self._tries >= self.attempts:
                self._tries = 0
                raise
            return None
        return None if op == mqtt.PINGRESP else op

    # Requests and their acknowledgements.

    def _transact(self, ack, send):
        """Sends by send(packet id, DUP or 0); returns the code of the acknowledgement. Again on each new connection."""
        self._check_outside()
        pid = self._new_pid()
        entry = self._pending[pid] = [ack, -1]
        again = 0
        tries = 0
        try:
            while True:
                try:
                    links = self.links
                    send(pid, again)
                    again = mqtt.DUP
                    self._await(entry, links)
                    if entry[1] >= 0:
                        return entry[1]
                except OSError as e:
                    # A broker that hangs up because of this very packet would do so for ever.
                    tries += 1
                    if tries > self.attempts:
                        raise
                    self._recover(e)
        finally:
            del self._pending[pid]

    def _await(self, entry, links):
        """Handles packets until entry has its code, or a callback has made a new connection."""
        left = self._link.ms
        while entry[1] < 0 and links == self.links:
            start = ticks_ms()
            if left <= 0 or self._receive(left) is None:
                self._close()
                raise OSError(ETIMEDOUT)
            # The time of the callbacks is not the broker's.
            left -= ticks_diff(ticks_ms(), start)
            self._deliver()

    def _keep_alive(self, interval):
        """Pings if it is time; returns the ms that a packet may still take. Called when there is nothing to read."""
        now = ticks_ms()
        silence = ticks_diff(now, self._heard)
        if self._pinged is not None:
            left = self._link.ms - min(silence, ticks_diff(now, self._pinged))
            if left <= 0:
                self._close()
                raise OSError(ETIMEDOUT)
            return left
        # Early, as a sketch may look in rarely and the broker hangs up after one and a half intervals (3.1.2.10).
        interval = interval * 750
        quiet = max(silence, ticks_diff(now, self._sent))
        if 0 <= quiet < interval:
            return interval - quiet
        self._ping()
        return self._link.ms

    def _ping(self):
        self._send(b"\xc0\0")
        self._pinged = ticks_ms()

    def _send_publish(self, head, topic, pid, msg):
        start = len(topic) + (4 if pid else 2)
        tx = self._link.tx
        if start + 5 > len(tx):
            tx = bytearray(start + 5)
        view = memoryview(tx)
        tx[0] = head
        at = mqtt.put_length(tx, 1, start + len(msg))
        tx[at] = len(topic) >> 8
        tx[at + 1] = len(topic) & 0xFF
        at += 2
        view[at : at + len(topic)] = topic
        at += len(topic)
        if pid:
            tx[at] = pid >> 8
            tx[at + 1] = pid & 0xFF
            at += 2
        n = min(len(msg), len(tx) - at)
        view[at : at + n] = msg[:n]
        self._send(view[: at + n], msg[n:])

    def _send_puback(self, pid):
        self._send(bytes((mqtt.PUBACK, 2, pid >> 8, pid & 0xFF)))

    # Handing over.

    def _next(self, ms):
        """Handles what was read before, or one packet that begins within ms; returns its first byte or None."""
        if self._backlog and not self._delivering:
            op = mqtt.PUBLISH
        else:
            op = self._receive(ms)
        self._deliver()
        return op

    def _deliver(self):
        """Hands over the messages that are waiting, unless a callback is running: then when it has returned."""
        if self._delivering or not self._backlog:
            return
        self._delivering = True
        try:
            for _ in range(len(self._backlog)):
                topic, payload, retain, pid, links = self._backlog.pop(0)
                self.received(topic, payload, retain)
                # A packet id belongs to the connection that brought it.
                if pid and self.sock is not None and links == self.links:
                    self._send_puback(pid)
        finally:
            self._delivering = False

    # Receiving: the only place where the broker's bytes are read.

    def _receive(self, ms):
        """Reads one packet; returns its first byte, or None if none began within ms. A message goes to the backlog."""
        self._reading = True
        try:
            head = self._head
            if not self._link.fill(head, ms, True):
                return None
            op = head[0]
            length = self._read_length(head[1])
            if op & 0xF0 == mqtt.PUBLISH:
                error = self._read_publish(op, length)
            else:
                error = self._read_answer(op, length)
        except BaseException:
            self._close()  # half a packet cannot be taken up again
            raise
        finally:
            self._reading = False
        self._heard = ticks_ms()
        if error:
            raise error
        return op

    def _read_length(self, byte):
        """The remaining length (2.2.3) that begins with `byte`."""
        length = byte & 0x7F
        shift = 7
        while byte & 0x80:
            if shift > 21:
                raise MQTTException("length of more than four bytes")
            byte = self._link.take(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
        return length

    def _read_pid(self):
        data = self._link.take(2)
        pid = data[0] << 8 | data[1]
        if not pid:
            raise MQTTException("packet id 0")
        return pid

    def _read_answer(self, op, length):
        """Anything but a PUBLISH; returns the MQTTException of a filter that could not be renewed, or None."""
        if op == mqtt.PINGRESP and not length:
            self._pinged = None
            return None
        if op not in (mqtt.PUBACK, mqtt.SUBACK, mqtt.UNSUBACK) or length != (3 if op == mqtt.SUBACK else 2):
            raise MQTTException("unexpected packet")
        pid = self._read_pid()
        code = 0
        if op == mqtt.SUBACK:
            code = self._link.take(1)[0]
            if code > 1 and code != mqtt.REFUSED:
                raise MQTTException("unexpected return code")
            if self._renewed.pop(pid, None) is not None and code == mqtt.REFUSED:
                return MQTTException(code)
        # One that nobody waits for belongs to a wait that a callback's error has ended.
        entry = self._pending.get(pid)
        if entry and entry[0] == op:
            entry[1] = code
        return None

    def _read_publish(self, op, length):
        """Reads a message to its end; returns the error of on_publish or its sink, or None."""
        qos = op >> 1 & 3
        if qos > 1 or op & mqtt.DUP and not qos:
            raise MQTTException("unexpected flags")  # QoS 2 as well: it is never subscribed to
        if length < 2:
            raise MQTTException("topic cut off")
        data = self._link.take(2)
        size = data[0] << 8 | data[1]
        left = length - 2 - size - 2 * qos
        if left < 0 or not size:
            raise MQTTException("topic empty or cut off")
        retain = bool(op & 1)
        topic = self._read_topic(size)
        pid = self._read_pid() if qos else 0
        payload = error = None
        sink = False
        if topic is None:
            self.oversized += 1
        elif len(self._backlog) >= BACKLOG:
            pid = self._overrun(pid)
        else:
            try:
                sink = self.on_publish(topic, left, retain)
                if sink is None:
                    sink = False
                    if length > self.max_packet:
                        self.oversized += 1
                    elif self._backlog and self._held() + left > 2 * self.max_packet:
                        pid = self._overrun(pid)
                    else:
                        payload = bytearray(left)
            except Exception as e:
                error = e
                sink = False
        if payload is not None:
            self._link.load(payload)
        else:
            error = self._read_into(sink, left) or error
        if error:
            return error
        if payload is not None or sink is not False:
            self._backlog.append((topic, sink if payload is None else payload, retain, pid, self.links))
        elif pid:
            self._send_puback(pid)
        return None

    def _held(self):
        return sum(len(entry[1]) for entry in self._backlog if isinstance(entry[1], bytearray))

    def _overrun(self, pid):
        """The packet id to acknowledge. None, 0, in a session that the broker keeps: it comes again on the next connection.

        In any other nothing comes again, and a broker that lacks too many acknowledgements would send nothing more at all.
        """
        self.overrun += 1
        return pid if self._clean else 0

    def _read_topic(self, size):
        """The topic as bytes, or None if it alone is larger than max_packet."""
        if size > self.max_packet:
            self._read_into(False, size)
            return None
        topic = bytearray(size)
        self._link.load(topic)
        topic = bytes(topic)
        if b"\0" in topic or b"+" in topic or b"#" in topic:
            raise MQTTException("not a topic name")
        return topic

    def _read_into(self, sink, left):
        """Reads `left` bytes piece by piece into sink, False for nowhere; returns the error of sink.write or None."""
        error = None
        while left:
            piece = self._link.take(min(left, self._link.size))
            left -= len(piece)
            if sink is not False:
                try:
                    sink.write(piece)
                except Exception as e:
                    error = e
                    sink = False
        return error
