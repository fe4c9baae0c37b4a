"""MQTTClient: umqtt.simple's interface, with every message sealed and opened as its group's policy says.

    from microseal import MQTTClient
    client = MQTTClient("pump-3")                          # identity, broker and group keys come from flash
    client.set_callback(lambda topic, msg: print(topic, msg))
    client.connect()
    client.subscribe(b"plant/7/#")
    client.publish(b"plant/7/pressure", b"4.2")

Two connections at most: one for everything that bears the device's id or kid, and one under a random client id for groups of mode 3,
whose messages are not to be tied to the device by the broker (section 6). A connection that is lost is made again, with its
subscriptions; what microseal does beside, it does whenever the client is called.
"""

from . import errors, mqtt
from .callbacks import Callbacks
from .channel import Channel, wait_for_any
from .clock import TickClock
from .envelope import ANONYMOUS
from .errors import NotReady, Refused
from .group import PUBLISHER
from .inbox import Crowded, UnknownEpoch
from .member import Member
from .policy import STATE
from .provisioning import load_broker
from .states import States
from .store import Store
from .topics import OWN, check_topic, matches, overlap
from .wire import check_client_id

READY = 30  # s that connect takes at most, where it is not told otherwise
STATES = 16  # state topics whose last message is published again in a new epoch
_CONTROL = 8192  # bytes of the largest message under microseal/ that is read whole; rosters stream
_OWN_TOPIC = 128  # bytes, more than any topic under microseal/ and what goes with it
_TOPIC = 8192  # bytes of the longest topic on which a message is read: one that is longer would make room for the next
_HELD = 32768  # bytes of messages that may wait for a callback, unless the policy allows a single one that is larger
_OVERHEAD = 224  # bytes of an envelope beyond its message
_PACKETS = 16  # packets that one look into a connection handles
_PAUSE = 500  # ms between two looks at what is due, when nothing arrives
_ROUNDS = 6  # round trips in which connect takes what the broker has for this device
_CERTIFICATES = OWN + b"cert/"
_HINT = "is `microseal authority run` connected to this broker"


class _Sink:
    """A reader that must not raise while the transport is in the middle of a packet: what it refuses is told at the end."""

    def __init__(self, reader, refusal=None):
        self._reader = reader
        self._refusal = refusal

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


class MQTTClient(Callbacks):
    """client_id: the device's id, alone or followed by `/` and a name of its own; server: None = as provisioned.

    user, password, port, keepalive, ssl, ssl_params: as umqtt.simple has them, but keepalive is 60 s. directory: where the device's
    state lies, or a Store of it; clock, senders, groups: as Member has them; anonymous_user, anonymous_password: for the connection of
    mode 3 groups, where the broker asks for them; every other setting is Transport's. StorageError: not provisioned, or the state
    cannot be read.

    Lost connections. publish, subscribe, unsubscribe and ping make a new one first, and raise OSError after `attempts` in vain.
    check_msg and wait_msg go on trying and never raise for that, unless `attempts` is 0. MQTTException: the broker refuses.
    What is sent to a client without a connection is lost unless the broker keeps its session: connect(clean_session=False).

    Callbacks. Any call may run them, one at a time, and they may publish and subscribe; nothing is waited for then: a message of
    QoS 1 is sent again until the broker has it. What a callback raises comes out of the call that ran it, when that has done its
    own work; the message counts as received, since it can never be received again.

    message: the Message that the callback is being called for (sender, mode, t, stale, …). refused: how many messages were refused,
    by reason; on_refused(topic, reason) is called for each, as a callback is.
    """

    channel = Channel  # to be replaced by a subclass where the way to the broker is no socket

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
        super().__init__()
        store = directory if isinstance(directory, Store) else Store(directory)
        if server is None:
            broker = load_broker(store)
            server, port = broker["host"], port or broker["port"]
            if ssl is None and broker.get("tls"):
                ssl = True
        limits = {name: settings.pop(name) for name in ("senders", "groups") if name in settings}
        self.member = member = Member(store, clock or TickClock(), **limits)
        try:
            client_id = check_client_id(_bytes(client_id), member.id)
        except Refused:
            raise ValueError(
                f"client_id is to be this device's id, {member.id.decode()}, or that with / and a name behind it"
            )
        settings.update(server=server, port=port, keepalive=keepalive, ssl=ssl, ssl_params=ssl_params)
        settings.setdefault("max_packet", _CONTROL + _OWN_TOPIC)
        self._anonymous_settings = dict(settings, user=anonymous_user, password=anonymous_password)
        self._main = self.channel(self, client_id, dict(settings, user=user, password=password))
        self._anonymous = None
        self._wanted = {}  # the application's filters -> QoS
        self._states = States(member, STATES)
        self._will = None
        self._will_epoch = None  # in which the will of the open connection was to be sealed
        self._will_refusal = None
        self._ready = False  # there was a clock once
        self._largest = _CONTROL  # bytes of the largest envelope that any group allows
        self._epochs = {}  # gid -> epoch that `_take_epochs` knows of
        self._early = set()  # the application's filters under which a state came in an epoch that is not in force yet
        self._crowded = set()  # those under which one came while another message waited for its sender's certificate
        self._switches = -1
        self._stirred = True  # there may be something to do
        self._sent = 0  # counts what `_serve` has sent
        self._served = 0  # ticks
        self._pinged = False  # by ping(), and wait_msg has not returned for it

    # umqtt.simple's interface

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """A will on a state topic of a group of mode 1 or 2, of which this device makes no other use; call this before connect()."""
        if not 0 <= qos <= 2:
            raise ValueError("QoS is 0, 1 or 2")
        self._will = check_topic(_bytes(topic)), bytes(_bytes(msg)), retain, qos

    def connect(self, clean_session=True, timeout=None):
        """Connects, enrols if that is still to be done, gets the time, and takes what the authority has for this device.

        timeout: s for all of it, 30 if None. Returns as umqtt.simple does whether the broker kept a session. OSError: no broker.
        NotReady: the authority has not answered, or has put this device into no group; the text says which. Refused: the will
        is not one that its group allows. After these two the connection stays open, and check_msg goes on with it.
        """
        if self._handing:
            raise RuntimeError("connect() within a callback")
        end = self.member.ticks_ms() + int((READY if timeout is None else timeout) * 1000)
        session = self._main.open(clean_session, self._left(end) / 1000)
        if self._anonymous is not None:
            try:
                self._anonymous.renew()
            except OSError as error:
                self._lost(self._anonymous, error)
        while self.missing() and self._left(end):
            self._look(end)
        self._settle(end)
        missing = self.missing()
        if missing:
            raise NotReady(missing)
        if self._will_refusal is not None:
            raise self._will_refusal
        self._raise()
        return session

    def disconnect(self):
        """Says good-bye on every connection: no will is sent. connect() makes new ones, with the subscriptions of before."""
        for channel in self._channels():
            channel.leave()
            channel.disconnect()

    def ping(self):
        """Asks the broker for a sign of life, for which wait_msg returns. Connections are looked after without it (keepalive)."""
        self._main.ping()
        self._pinged = True

    def publish(self, topic, msg, retain=False, qos=0, mode=None):
        """Seals and publishes. mode: at least this one, where the group's own may be lower.

        Refused: a topic of no group or of two, a group in which this device does not publish, a message longer than the policy allows,
        or retain on a topic that is no state topic. NotReady: no identity, clock or key yet. ValueError: the will's topic, or QoS 2.
        OSError: not sent, or (QoS 1) not known to have arrived.
        """
        topic, msg = _bytes(topic), _bytes(msg)
        if self._will and topic == self._will[0]:
            raise ValueError("the will's topic is for the will alone")
        self._tend()
        used = self.member.mode_of(topic, mode)
        channel = self._channel_of(used)
        if channel.sock is None and channel.wanted and channel.attempts and not self._handing:
            channel.reconnect()  # before it is sealed, for this may take long, and bring a new epoch
            self._tend()
            used = self.member.mode_of(topic, mode)
            channel = self._channel_of(used)
        envelope = self.member.seal(topic, msg, retain, used)
        if qos == 1 and self._handing:
            # To wait here would be to read on, with nowhere to go for the messages that come.
            channel.post(topic, envelope, retain)
        else:
            channel.publish(topic, envelope, retain, qos)
        if retain:
            self._states.keep(topic, msg, used)
        self._raise()

    def subscribe(self, topic, qos=0):
        """Subscribes; what comes reaches the callback only if it is in one of this device's groups and passes every check.

        The broker is asked as soon as there is a clock and a group that the filter reaches into, for nothing can be opened before.
        Returns the QoS granted, so far as it was asked; MQTTException(0x80) if it refuses.
        """
        pattern = mqtt.check_filter(_bytes(topic))
        if not 0 <= qos <= 2:
            raise ValueError("QoS is 0, 1 or 2")
        granted = min(qos, 1)
        if self._main.wanted:
            self._tend()
        if self._main.wanted and self._ready and not self._handing:
            plain, anonymous = self._reach(pattern)
            if plain:
                granted = self._main.subscribe(pattern, qos)
            if anonymous:
                granted = min(granted, self._channel_of(ANONYMOUS).subscribe(pattern, qos))
        self._wanted[pattern] = min(qos, 1)
        self._stirred = True
        self._raise()
        return granted

    def unsubscribe(self, topic):
        """Ends a subscription."""
        pattern = mqtt.check_filter(_bytes(topic))
        self._wanted.pop(pattern, None)
        for channel in self._channels():
            if channel.wanted and not self._handing:
                channel.unsubscribe(pattern)
        self._stirred = True
        self._raise()

    def check_msg(self):
        """Handles what has arrived, up to a message for the callback, and does what is due; to be called every few seconds.

        Returns 0x30 if the callback was called, else None. Waits for nothing, but a lost connection is made again: `timeout` s
        at most for each step of that. Within a callback it does nothing.
        """
        op = self._tend()
        self._raise()
        return op

    def wait_msg(self):
        """Waits until the callback was called and returns 0x30, or None for the answer to a ping()."""
        if self._handing:
            raise RuntimeError("wait_msg() within a callback")
        while True:
            op = self.check_msg()
            if op is not None:
                return op
            if self._pinged and self._main.is_answered():
                self._pinged = False
                return None
            wait_for_any(self._channels(), 1000)
            for channel in self._channels():
                try:
                    channel.probe()
                except OSError as error:
                    self._lost(channel, error)

    # Beyond it

    @property
    def sock(self):
        """The socket of the ordinary connection, None while there is none."""
        return self._main.sock

    def missing(self):
        """What this client waits for before it can seal and open messages (text), or None."""
        member = self.member
        if not member.enrolled:
            return "no answer to the enrolment: " + _HINT + ", and is the claim still good?"
        if not member.can_seal():
            try:
                member.now()
            except NotReady:
                return "no answer to the question for the time: " + _HINT + "?"
            return "the second of the start is not over yet"
        if not self._groups():
            return "this device is in no group yet; the command for it is `microseal group add`"
        return None

    def idle(self):
        """Does a part of what can be done ahead, for publish() to be faster: some 10 ms on a board. True if there is more of it.

        To be called where the program has nothing else to do: `while client.idle(): pass`.
        """
        return self.member.idle()

    async def keep_ready(self):
        """For asyncio.create_task: calls idle() for ever, and lets the other tasks run in between."""
        import asyncio  # 20 KB that most programs on a board do not need

        while True:
            await asyncio.sleep(0 if self.idle() else 0.2)

    def topics(self):
        """A topic of its own for each filter on which this device publishes: the filter with its wildcards replaced by the id."""
        found = []
        for group in self._groups():
            for kind, pattern in group.current.info.policy.filters:
                if not kind and PUBLISHER in group.current.keys:
                    levels = [self.member.id if level in (b"+", b"#") else level for level in pattern.split(b"/")]
                    found.append(b"/".join(levels))
        return found

    # Looking in

    def _tend(self):
        """Handles what is there, up to a message for the callback, and does what is due; nothing within a callback."""
        if self._handing:
            return None
        before = self._heard
        self._hand_over()
        for channel in self._channels():
            if channel is not self._main and channel.sock is self._main.sock is None:
                break  # one attempt a call is enough
            for _ in range(_PACKETS):
                if self._heard != before or self._check(channel) is None:
                    break
        self._serve()
        return None if self._heard == before else mqtt.PUBLISH

    def _check(self, channel):
        """Handles one packet, or tries to mend the connection."""
        try:
            return channel.check_msg()
        except OSError as error:
            self._lost(channel, error)

    def _lost(self, channel, error):
        """Raises `error` unless it says of a connection that it is lost, and the connection is to be mended."""
        if channel.sock is not None or not channel.wanted or not channel.attempts:
            raise error

    def _left(self, end):
        return max(end - self.member.ticks_ms(), 0)

    def _look(self, end):
        """As _tend, and waits a little if there was nothing."""
        self._stirred = True
        if self._tend() is None:
            wait_for_any(self._channels(), min(50, self._left(end)))

    def _settle(self, end):
        """Takes what is retained for this device: a round trip for its subscriptions, and one for each step that follows from them."""
        main = self._main
        for _ in range(_ROUNDS):
            sent, links = self._sent, main.links
            try:
                main.ask()
            except OSError as error:
                self._lost(main, error)
            while not main.is_answered() and links == main.links and self._left(end):
                self._look(end)
            if self._sent == sent:
                return

    # What is due

    def _serve(self):
        """Sends what is due. What is lost with a connection is sent again by whoever wanted it, when the time has come."""
        now = self.member.ticks_ms()  # also where there is no connection: the clock counts on it
        if self._main.sock is None or not self._stirred and now - self._served < _PAUSE:
            return
        self._served = now
        self._stirred = False
        try:
            self._serve_member()
            self._states.renew(self._channel_of)
            for channel in self._channels():
                channel.catch_up()
            self._renew_will()
        except OSError as error:
            for channel in self._channels():
                if channel.sock is None:
                    self._lost(channel, error)
                    break
            else:
                raise
        for message in self.member.take_arrived():
            self._queue(message)

    def _serve_member(self):
        member, main = self.member, self._main
        member.tick()
        self._ready = self._ready or member.can_seal()
        plain = dict.fromkeys(member.filters(), 1)
        if self._ready:
            if member.switches != self._switches:
                self._take_epochs()
            if self._crowded and not any(pattern.startswith(_CERTIFICATES) for pattern in plain):
                self._fetch_all(self._crowded)  # the senders are known now
            self._sort_filters(plain)
        self._sent += main.want(plain)
        for pattern in member.take_refetch():
            main.fetch(pattern)
        for topic, payload in member.take_outgoing():  # after the subscriptions: answers come at once
            main.tell(topic, payload)
            self._sent += 1

    def _sort_filters(self, plain):
        """Adds the application's filters to `plain`, and subscribes on the other connection to those that belong there."""
        secret = {}
        for pattern, qos in self._wanted.items():
            in_plain, in_secret = self._reach(pattern)
            if in_plain:
                plain[pattern] = qos
            if in_secret:
                secret[pattern] = qos
        if secret or self._anonymous is not None:
            channel = self._channel_of(ANONYMOUS)
            try:
                channel.want(secret)
            except OSError as error:
                self._lost(channel, error)

    def _reach(self, pattern):
        """Whether the filter reaches into a group of mode 1 or 2, and whether into one of mode 3."""
        found = [False, False]
        for group in self._groups():
            policy = group.current.info.policy
            if any(overlap(pattern, other) for _, other in policy.filters):
                found[policy.mode == ANONYMOUS] = True
        return found

    def _take_epochs(self):
        """After a switch: messages may be larger, and what could not be opened before it can be fetched."""
        self._switches = self.member.switches
        before, self._epochs = self._epochs, {}
        for group in self._groups():
            gid, info = group.gid, group.current.info
            self._epochs[gid] = info.epoch
            self._largest = max(self._largest, info.policy.max_size + _OVERHEAD)
            if gid not in before:
                for pattern in self._wanted:
                    if any(kind & STATE and overlap(pattern, state) for kind, state in info.policy.filters):
                        self._early.add(pattern)
        self._fetch_all(self._early)
        for channel in self._channels():
            channel.max_packet = max(channel.max_packet, min(10 * self._largest, _HELD))

    def _fetch_all(self, patterns):
        for pattern in patterns:
            for channel in self._channels():
                channel.fetch(pattern)
        patterns.clear()

    def _groups(self):
        if not self.member.enrolled:
            return []
        return [group for group in self.member.groups.by_gid.values() if group.current is not None]

    # Connections

    def _channels(self):
        return (self._main,) if self._anonymous is None else (self._main, self._anonymous)

    def _channel_of(self, mode):
        """The connection for messages of a mode."""
        if mode != ANONYMOUS or not self._main.wanted:
            return self._main
        if self._anonymous is None:
            self._anonymous = self.channel(self, b"", self._anonymous_settings)
            self._anonymous.max_packet = self._main.max_packet
            self._anonymous.start()
        return self._anonymous

    def opening(self, channel):
        """Called by a channel before each of its connections."""
        self._stirred = True
        if channel is not self._main:
            # No more than a random name, and never twice the same: nothing on this connection says whose it is.
            channel.client_id = self.member.random_name()
            return
        channel.lw_topic = self._will_epoch = self._will_refusal = None
        if self._will and self.member.can_seal():
            topic, message, retain, qos = self._will
            try:
                self._will_epoch = self._will_group().current.info.epoch
                if self.member.mode_of(topic) == ANONYMOUS:
                    raise Refused(errors.MODE)
                # As if retained: only a state topic takes what may be as old as the connection.
                channel.set_last_will(topic, self.member.seal(topic, message, True), retain, qos)
            except Refused as refusal:
                self._will_refusal = refusal

    def _will_group(self):
        return self.member.find(self._will[0])[0]

    def _renew_will(self):
        """Connects again where the will was sealed in another epoch, or could not be sealed yet."""
        if self._will and self._ready:
            try:
                epoch = self._will_group().current.info.epoch
            except Refused:
                return  # of no group, or of none any more
            if epoch != self._will_epoch:
                self._main.renew()

    # What arrives

    def sink(self, channel, topic, length):
        """Called by a channel where a message begins: what is to take it, None for memory."""
        if topic.startswith(OWN):
            if channel is not self._main:
                # To answer on the ordinary connection what came on this one would tell the broker whose it is.
                return _Sink(None, Refused(errors.UNKNOWN))
            reader = self.member.reader(topic)
            if reader is not None:
                return _Sink(reader)
            if length > _CONTROL:
                return _Sink(None, Refused(errors.SIZE))
        elif length > self._largest or len(topic) > _TOPIC:
            return _Sink(None, Refused(errors.SIZE))
        else:
            channel.max_packet = max(channel.max_packet, length + len(topic) + 4)
        return None

    def received(self, channel, topic, payload):
        """Called by a channel with a whole message. Raises nothing: the transport is to acknowledge it in any case."""
        try:
            if topic.startswith(OWN):
                self._stirred = True
            if isinstance(payload, _Sink):
                payload.close()
            elif topic.startswith(OWN):
                self.member.control(topic, bytes(payload))
            elif self._is_for(channel, topic):
                message = self.member.open(topic, payload)
                if message is None:
                    self._stirred = True  # a certificate is to be fetched
                else:
                    self._queue(message)
        except Refused as refusal:
            if isinstance(refusal, UnknownEpoch):
                self._miss(topic, self._early)
            elif isinstance(refusal, Crowded):
                self._miss(topic, self._crowded)
            self._refuse(topic, refusal.reason)
        except NotReady:
            self._refuse(topic, errors.TIME)
        except Exception as error:
            self._raised.append(error)

    def _is_for(self, channel, topic):
        """A filter may reach into groups of both kinds; each of them is heard on its own connection."""
        if not self.member.enrolled:
            return True
        group, _ = self.member.find(topic)
        return (group.current.info.policy.mode == ANONYMOUS) == (channel is self._anonymous)

    def _miss(self, topic, patterns):
        """Notes a message that may be opened later: a state is retained, and can be fetched again."""
        self._stirred = True
        if self.member.find(topic)[1] & STATE:
            patterns.update([pattern for pattern in self._wanted if matches(pattern, topic)])


def _bytes(value):
    return value.encode() if isinstance(value, str) else value
