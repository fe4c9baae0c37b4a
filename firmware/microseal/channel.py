"""One connection of a client. What microseal itself sends on it waits for no answer, so that looking in never takes long."""

import select

from umqtt.simple import MQTTException

from . import mqtt
from .ticks import ticks_diff, ticks_ms
from .transport import PROBE, Transport

POSTS = 64  # messages on their way that nobody waits for, of twice max_packet bytes together
_DISCONNECT = b"\xe0\0"
_GOODBYE = 1000  # ms that the broker has to close the connection


class _Post:
    """A message of QoS 1. pid: its packet id on the connection that is the links-th, 0 before it was sent; entry: as in Transport."""

    def __init__(self, topic, payload, retain):
        self.topic = topic
        self.payload = payload
        self.retain = retain
        self.links = self.pid = 0
        self.entry = [mqtt.PUBACK, -1]


class Channel(Transport):
    """client is told opening(channel) before each connection, and sink(channel, topic, length) and received(channel, topic, payload)
    as Transport's on_publish and received are. settings: Transport's.
    """

    def __init__(self, client, client_id, settings):
        super().__init__(client_id, **settings)
        self._client = client
        self._posts = []

    def connect(self, clean_session=True, timeout=None):
        self._client.opening(self)
        return super().connect(clean_session, timeout)

    def on_publish(self, topic, length, retain):
        return self._client.sink(self, topic, length)

    def received(self, topic, payload, retain):
        self._client.received(self, topic, payload)

    # The connection

    @property
    def wanted(self):
        """Whether there is to be a connection: where it is lost, check_msg makes another one."""
        return self._wanted

    def open(self, clean_session, seconds):
        """A connection in place of the one before, if any, without subscriptions; returns and raises as connect does."""
        self._filters.clear()
        return self.connect(clean_session, min(seconds, self._link.ms / 1000))

    def start(self):
        """Wants a connection, which is then made like one that was lost."""
        self._wanted = True

    def leave(self):
        """Says good-bye, so that the will is not sent, and closes when the broker has read that.

        mosquitto takes one packet at a time of each of its connections: before it came to the good-bye, behind others, it would see
        the next connection of this client, take this one for broken, and send the will.
        """
        if self.sock is not None:
            try:
                self._send(_DISCONNECT)
                while self._receive(_GOODBYE) is not None:
                    pass
            except (OSError, MQTTException):
                pass  # closed, as it should be
            self._close()

    def renew(self):
        """Leaves, and connects again. OSError: not now; check_msg goes on trying."""
        self.leave()
        self._wanted = True
        self._connect_again()

    def wait(self, ms):
        """Until there may be something to read or to do, ms at most."""
        if self.sock is None:
            self.pause(max(min(ms, ticks_diff(self._retry, ticks_ms())), 10))
        else:
            self._link.wait(ms)

    def probe(self):
        """Where keepalive is 0: asks whether the broker is still there, if it has been silent for long."""
        if not self.keepalive and self.sock is not None:
            self._keep_alive(PROBE)

    def ask(self):
        """Sends a ping: its answer comes after all that the broker had to send at that time."""
        self._ping()

    def is_answered(self):
        """Whether no ping is waiting for its answer."""
        return self._pinged is None

    def _overrun(self, pid):
        self._client.lost_one()
        return super()._overrun(pid)

    # Packets whose answers nobody waits for. OSError: the connection is lost.

    def want(self, wanted):
        """Makes the subscriptions those of `wanted` (filter -> QoS), now or when connected; True if that changed any."""
        changed = False
        for pattern in [pattern for pattern in self._filters if pattern not in wanted]:
            del self._filters[pattern]
            changed = True
            if self.sock is not None:
                self._send(mqtt.request_packet(mqtt.UNSUBSCRIBE, self._new_pid(), pattern))
        for pattern, qos in wanted.items():
            if self._filters.get(pattern) != qos:
                self._filters[pattern] = qos
                changed = True
                self.fetch(pattern)
        return changed

    def fetch(self, pattern):
        """Subscribes once more to a filter that is wanted: what is retained there comes again."""
        if self.sock is not None and pattern in self._filters:
            pid = self._new_pid()
            self._renewed[pid] = pattern  # where the broker refuses it, whatever waits then raises that
            self._send_subscribe(pid, pattern, self._filters[pattern])

    def tell(self, topic, payload):
        """Publishes with QoS 1, once: whoever sends it has means of its own to see that it was lost."""
        self._send_publish(mqtt.PUBLISH | 2, topic, self._new_pid(), memoryview(payload))

    def post(self, topic, payload, retain):
        """Publishes with QoS 1, and on later connections again until the broker has it. Waits where too much is on its way."""
        self._forget_arrived()
        if len(self._posts) >= POSTS or sum(len(post.payload) for post in self._posts) > 2 * self.max_packet:
            self.publish(topic, payload, retain, 1)
            return
        post = _Post(topic, payload, retain)
        self._posts.append(post)
        try:
            self._send_post(post)
        except OSError:
            pass  # `catch_up` sends it

    def catch_up(self):
        """Sends again what was posted and lost with its connection."""
        self._forget_arrived()
        for post in self._posts:
            if self.sock is not None and post.links != self.links:
                self._send_post(post)

    def _forget_arrived(self):
        for post in [post for post in self._posts if post.entry[1] >= 0]:
            del self._pending[post.pid]
            self._posts.remove(post)

    def _send_post(self, post):
        if not post.pid:
            post.pid = self._new_pid()
            self._pending[post.pid] = post.entry
        dup = mqtt.DUP if post.links else 0
        post.links = self.links
        self._send_publish(
            mqtt.PUBLISH | 2 | (1 if post.retain else 0) | dup, post.topic, post.pid, memoryview(post.payload)
        )


def wait_for_any(channels, ms):
    """Until one of the channels may have something to read or to do, ms at most."""
    if len(channels) == 1 or any(channel.sock is None or hasattr(channel.sock, "wait") for channel in channels):
        channels[0].wait(ms if len(channels) == 1 else min(ms, 50))
        return
    poller = select.poll()
    for channel in channels:
        poller.register(channel.sock, select.POLLIN)
    poller.poll(ms)
