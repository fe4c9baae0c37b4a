"""MQTTClient: umqtt.simple's interface, with every message sealed and opened as its group's policy says.

    from microseal import MQTTClient
    client = MQTTClient("pump-3")                          # identity, broker and group keys come from flash
    client.set_callback(lambda topic, msg: print(topic, msg))
    client.connect()
    client.subscribe(b"plant/7/#")
    client.publish(b"plant/7/pressure", b"4.2")

Two connections at most: one for everything that bears the device's id or kid, and one under a random client id for groups of mode 3,
whose messages are not to be tied to the device by the broker (section 6).
"""

import select
from time import sleep

from . import errors
from .clock import TickClock
from .envelope import ANONYMOUS
from .errors import NotReady, Refused
from .group import PUBLISHER
from .member import Member
from .provisioning import load_broker
from .store import Store
from .topics import OWN, check_filter, check_topic, overlap
from .transport import Transport
from .wire import check_client_id

READY = 30  # s for connecting, enrolment and the time together
STATES = 16  # state topics whose last message is published again in a new epoch
_CONTROL = 8192  # bytes of the largest message under microseal/ that is read whole; rosters stream
_OVERHEAD = 512  # bytes of an envelope and a topic beyond the message


class _Channel(Transport):
    """A connection that hands everything to its client."""

    def __init__(self, client, client_id, settings):
        super().__init__(client_id, **settings)
        self._client = client
        self.subscribed = set()

    def on_publish(self, topic, length, retain):
        return self._client._sink(topic)

    def received(self, topic, payload, retain):
        self._client._received(self, topic, payload)


class _Sink:
    """A reader that must not raise while the transport is in the middle of a packet: what it refuses is told at the end."""

    def __init__(self, reader):
        self._reader = reader
        self._refusal = None

    def write(self, chunk):
        if self._refusal is None:
            try:
                self._reader.write(chunk)
            except Refused as refusal:
                self._refusal = refusal

    def close(self):
        if self._refusal is not None:
            raise self._refusal
        self._reader.close()


class MQTTClient:
    """client_id: the device's id, alone or followed by `/` and a name of its own; server: None = as provisioned.

    directory: where the device's state lies; clock, senders, groups: as Member has them; anonymous_user, anonymous_password: for
    the connection of mode 3 groups, where the broker asks for them; every other setting is Transport's.

    message: the Message that the callback is being called for (sender, mode, t, stale, …). refused: how many messages were refused,
    by reason; on_refused(topic, reason) is called for each.
    """

    def __init__(
        self,
        client_id,
        server=None,
        port=0,
        user=None,
        password=None,
        keepalive=60,
        ssl=None,
        ssl_params=None,
        directory="microseal-state",
        clock=None,
        anonymous_user=None,
        anonymous_password=None,
        **settings,
    ):
        store = Store(directory)
        if server is None:
            broker = load_broker(store)
            server, port = broker["host"], port or broker["port"]
        limits = {name: settings.pop(name) for name in ("senders", "groups") if name in settings}
        self.member = Member(store, clock or TickClock(), **limits)
        client_id = client_id.encode() if isinstance(client_id, str) else client_id
        settings.update(server=server, port=port, keepalive=keepalive, ssl=ssl, ssl_params=ssl_params)
        settings.setdefault("max_packet", _CONTROL)
        self._anonymous_settings = dict(settings, user=anonymous_user, password=anonymous_password)
        self._main = _Channel(
            self, check_client_id(client_id, self.member.id), dict(settings, user=user, password=password)
        )
        self._anonymous = None
        self._callback = None
        self._wanted = {}  # the application's filters -> QoS
        self._states = {}  # state topic -> (message, QoS, mode) last published
        self._will = None
        self._will_switches = None  # the epochs in which the will of the open connection was sealed
        self._switches = self.member.switches
        self._clean = True
        self._serving = False
        self.message = None
        self.refused = {}
        self.on_refused = None

    # umqtt.simple's interface

    def set_callback(self, f):
        """f(topic, message), both bytes, for each message that passed every check; `self.message` tells the rest about it."""
        self._callback = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """A will on a state topic of a group of mode 1 or 2, of which this device makes no other use; call this before connect()."""
        self._will = check_topic(_bytes(topic)), _bytes(msg), retain, qos

    def connect(self, clean_session=True, timeout=None):
        """Connects, enrols if that is still to be done, gets the time, and takes what the authority has for this device.

        timeout: s for all of it, 30 if None. Returns as umqtt.simple does whether the broker kept a session. OSError: no broker;
        NotReady: no answer from the authority; the connection stays open then, and check_msg goes on trying.
        """
        seconds = READY if timeout is None else timeout
        self._clean = clean_session
        session = self._open(min(seconds, 10))
        self._wait_for(self.member.can_seal, seconds)
        self._settle()
        if self._will and self._will_switches is None:
            session = self._open(min(seconds, 10))
            self._settle()
        return session

    def disconnect(self):
        """Says good-bye on every connection: no will is published."""
        self._main.disconnect()
        if self._anonymous is not None:
            self._anonymous.disconnect()
            self._anonymous = None

    def ping(self):
        self._main.ping()

    def publish(self, topic, msg, retain=False, qos=0, mode=None):
        """Seals and publishes. mode: at least this one, where the group's own may be lower.

        Refused: a topic of no group or of two, a group in which this device does not publish, a message longer than the policy allows,
        or retain on a topic that is no state topic. NotReady: no identity, clock or key yet.
        """
        topic, msg = _bytes(topic), _bytes(msg)
        if self._will and topic == self._will[0]:
            raise ValueError("the will's topic is for the will alone")
        mode = self.member.mode_of(topic, mode)
        envelope = self.member.seal(topic, msg, retain, mode)
        self._channel_of(mode).publish(topic, envelope, retain, qos)
        if retain:
            if topic not in self._states and len(self._states) >= STATES:
                self._states.popitem()
            self._states[topic] = msg, qos, mode

    def subscribe(self, topic, qos=0):
        """Subscribes; what comes reaches the callback only if it is in one of this device's groups and passes every check."""
        self._wanted[check_filter(_bytes(topic))] = qos
        self._serve()

    def unsubscribe(self, topic):
        self._wanted.pop(_bytes(topic), None)
        self._serve()

    def check_msg(self):
        """Handles what has arrived, without waiting, and does what is due; to be called at least every few seconds."""
        op = None
        for channel in self._channels():
            op = channel.check_msg() or op
        self._serve()
        return op

    def wait_msg(self):
        """Waits until a packet has arrived and handles it."""
        while True:
            op = self.check_msg()
            if op is not None:
                return op
            self._poll(1000)

    def topics(self):
        """A topic of its own for each filter on which this device publishes: the filter with its wildcards replaced by the id."""
        found = []
        for group in self._groups():
            for kind, pattern in group.current.info.policy.filters:
                if not kind and PUBLISHER in group.current.keys:
                    levels = [self.member.id if level in (b"+", b"#") else level for level in pattern.split(b"/")]
                    found.append(b"/".join(levels))
        return found

    # Connections

    def _channels(self):
        return (self._main,) if self._anonymous is None else (self._main, self._anonymous)

    def _channel_of(self, mode):
        if mode != ANONYMOUS:
            return self._main
        if self._anonymous is None:
            # No more than a random name: nothing that the broker sees on this connection says whose it is.
            channel = _Channel(self, self.member.random_name(), self._anonymous_settings)
            channel.max_packet = self._main.max_packet
            channel.connect()
            self._anonymous = channel
        return self._anonymous

    def _open(self, seconds):
        self._will_switches = None
        if self._will and self.member.can_seal():
            topic, message, retain, qos = self._will
            try:
                if self.member.mode_of(topic) == ANONYMOUS:
                    raise Refused(errors.MODE)
                # As if retained: only a state topic takes what may be as old as the connection.
                self._main.set_last_will(topic, self.member.seal(topic, message, True), retain, qos)
                self._will_switches = self.member.switches
            except Refused as refusal:
                if refusal.reason != errors.TOPIC:  # the group's keys may still be on their way
                    raise
        self._main.subscribed.clear()
        return self._main.connect(self._clean, seconds)

    def _poll(self, ms):
        """Until there is something to read, or ms have passed."""
        poller = select.poll()
        for channel in self._channels():
            if channel.sock is None:
                return sleep(0.05)
            poller.register(channel.sock, select.POLLIN)
        poller.poll(ms)

    def _wait_for(self, ready, seconds):
        clock = self.member.ticks_ms
        end = clock() + int(seconds * 1000)
        while not ready():
            self.check_msg()
            if clock() >= end:
                if ready():
                    return
                raise NotReady("no answer from the authority: is `microseal authority run` connected to this broker?")
            self._poll(100)

    def _settle(self):
        """Takes what is retained for this device: a round trip for its subscriptions, and one for each step that follows from them."""
        for _ in range(3):
            self._serve()
            self._main.ping()
            while self._main.wait_msg() is not None:
                self._serve()
        self._serve()

    # What is due

    def _serve(self):
        """Brings subscriptions and outgoing messages to what the member wants, until there is nothing left to do."""
        if self._serving:
            return
        self._serving = True
        try:
            again = True
            while again:
                self.member.tick()
                again = self._subscribe_all()
                for topic in self.member.take_refetch():
                    self._main.subscribe(topic, 1)
                for topic, payload in self.member.take_outgoing():
                    self._main.publish(topic, payload, False, 1)
                    again = True
                for message in self.member.take_arrived():
                    self._hand_over(message)
                if self.member.switches != self._switches:
                    self._switches = self.member.switches
                    self._new_epoch()
                    again = True
        finally:
            self._serving = False

    def _subscribe_all(self):
        """Subscribes and unsubscribes what is to be; True if anything changed."""
        if self._main.sock is None:
            return False
        anonymous = self._anonymous_filters()
        control = dict.fromkeys(self.member.filters(), 1)
        plain = {f: qos for f, qos in self._wanted.items() if f not in anonymous or self._also_plain(f)}
        control.update(plain)
        changed = _subscribe(self._main, control)
        if anonymous:
            changed |= _subscribe(self._channel_of(ANONYMOUS), anonymous)
        return changed

    def _groups(self):
        if not self.member.enrolled:
            return []
        return [group for group in self.member.groups.by_gid.values() if group.current is not None]

    def _anonymous_filters(self):
        """The application's filters that reach into a mode 3 group."""
        found = {}
        for group in self._groups():
            policy = group.current.info.policy
            if policy.mode == ANONYMOUS:
                for pattern, qos in self._wanted.items():
                    if any(overlap(pattern, other) for _, other in policy.filters):
                        found[pattern] = qos
        return found

    def _also_plain(self, pattern):
        """Whether the filter reaches into a group that is not of mode 3 as well."""
        for group in self._groups():
            policy = group.current.info.policy
            if policy.mode != ANONYMOUS and any(overlap(pattern, other) for _, other in policy.filters):
                return True
        return False

    def _new_epoch(self):
        """Messages may be larger now; states and the will of the old epoch open for nobody who comes from now on (section 6)."""
        for group in self._groups():
            need = group.current.info.policy.max_size + _OVERHEAD
            for channel in self._channels():
                channel.max_packet = max(channel.max_packet, need)
        for topic, (message, qos, mode) in list(self._states.items()):
            try:
                self.publish(topic, message, True, qos, mode)
            except Refused:
                del self._states[topic]  # not ours to say any more
        if self._will and self._will_switches is not None:
            self._main.disconnect()
            self._open(10)

    # What arrives

    def _sink(self, topic):
        reader = self.member.reader(topic) if topic.startswith(OWN) else None
        return _Sink(reader) if reader is not None else None

    def _received(self, channel, topic, payload):
        try:
            if isinstance(payload, _Sink):
                payload.close()
            elif topic.startswith(OWN):
                self.member.control(topic, bytes(payload))
            elif self._is_for(channel, topic):
                message = self.member.open(topic, payload)
                if message is not None:
                    self._hand_over(message)
        except Refused as refusal:
            self._refuse(topic, refusal.reason)
        except NotReady:
            self._refuse(topic, errors.TIME)

    def _is_for(self, channel, topic):
        """A filter may reach into groups of both kinds; each of them is heard on its own connection."""
        if self._anonymous is None or not self.member.enrolled:
            return True
        group, _ = self.member.find(topic)
        return (group.current.info.policy.mode == ANONYMOUS) == (channel is self._anonymous)

    def _hand_over(self, message):
        if self._callback:
            self.message = message
            try:
                self._callback(message.topic, message.payload)
            finally:
                self.message = None

    def _refuse(self, topic, reason):
        self.refused[reason] = self.refused.get(reason, 0) + 1
        if self.on_refused:
            self.on_refused(topic, reason)


def _bytes(value):
    return value.encode() if isinstance(value, str) else value


def _subscribe(channel, wanted):
    """Makes the channel's subscriptions those of `wanted` (filter -> QoS); True if that changed any."""
    changed = False
    for pattern in [pattern for pattern in channel.subscribed if pattern not in wanted]:
        channel.unsubscribe(pattern)
        channel.subscribed.discard(pattern)
        changed = True
    for pattern, qos in wanted.items():
        if pattern not in channel.subscribed:
            channel.subscribe(pattern, qos)
            channel.subscribed.add(pattern)
            changed = True
    return changed
