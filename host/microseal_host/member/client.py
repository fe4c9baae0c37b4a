"""The member's connections: one that bears its id and kid, one under a random client id for groups of mode 3 (section 6).

paho's threads only hand over what arrives; everything else happens in the thread that calls step().
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.reasoncodes import ReasonCode

from microseal import errors
from microseal.envelope import ANONYMOUS
from microseal.errors import MicrosealError, Refused
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.inbox import Message
from microseal.member import Member
from microseal.membership import Membership
from microseal.policy import QUERY
from microseal.topics import OWN

from ..mqtt import Address, new_client

_WAITING = 1000  # messages between paho's threads and step()

Event = Callable[[], None]


class _Link:
    """One connection to the broker, which reconnects by itself."""

    def __init__(self, address: Address, client_id: str, events: queue.Queue[Event], owner: MemberClient) -> None:
        self.connected = False
        self.trouble = ""  # why it is not connected
        self.subscribed: set[bytes] = set()
        self._unanswered: dict[int, bytes] = {}  # SUBSCRIBE packets whose SUBACK has not come
        self._events = events
        self._owner = owner
        self._closing = threading.Event()
        self._client = new_client(address, client_id, clean=True)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.connect_async(address.host, address.port, keepalive=60)
        self._client.loop_start()

    def close(self) -> None:
        self._closing.set()
        self._client.disconnect()
        self._client.loop_stop()

    # paho's thread

    def _hand_over(self, event: Event) -> None:
        """Waits while there are too many: the broker then has to wait as well."""
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=0.2)
                return

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self.trouble = f"the broker refuses this client: {reason}"
        else:
            self._hand_over(self._now_connected)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self.trouble = str(sys.exc_info()[1])

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self.trouble = self.trouble or str(reason)
        self._hand_over(self._now_disconnected)

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        self._hand_over(lambda: self._now_subscribed(mid, any(reason.is_failure for reason in reasons)))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            return
        payload = message.payload
        self._hand_over(lambda: self._owner.received(self, topic, payload))

    # The owner's thread

    def _now_connected(self) -> None:
        self.connected = True
        self.trouble = ""
        self.subscribed = set()
        self._unanswered.clear()

    def _now_disconnected(self) -> None:
        self.connected = False

    def _now_subscribed(self, mid: int, refused: bool) -> None:
        topic = self._unanswered.pop(mid, b"")
        if refused:
            self.trouble = f"the broker refuses the subscription {topic.decode()}"

    def hears(self, filters: set[bytes]) -> bool:
        """Whether the broker has confirmed the subscriptions to all of them."""
        return self.connected and filters <= self.subscribed and not filters & set(self._unanswered.values())

    def want(self, filters: set[bytes]) -> bool:
        """Subscribes and unsubscribes what has changed; True if anything has."""
        if not self.connected or filters == self.subscribed:
            return False
        for topic in filters - self.subscribed:
            self.fetch(topic)
        for topic in self.subscribed - filters:
            self._client.unsubscribe(topic.decode())
        self.subscribed = filters
        return True

    def fetch(self, topic: bytes) -> None:
        """Subscribes, also once more: what is retained there comes again."""
        _, mid = self._client.subscribe(topic.decode(), 1)
        if mid is not None:
            self._unanswered[mid] = topic

    def publish(self, topic: bytes, payload: bytes, retain: bool = False, qos: int = 1) -> MQTTMessageInfo:
        return self._client.publish(topic.decode(), payload, qos, retain)


class MemberClient:
    """Context manager around a connected Member.

    groups: the gids that are listened to, None for all, empty for none. on_message(message) is called for each message
    that passed every check, on_refused(topic, reason) for each that did not; both from step().
    """

    def __init__(
        self,
        member: Member,
        address: Address,
        groups: frozenset[bytes] | None,
        on_message: Callable[[Message], None] = lambda message: None,
        on_refused: Callable[[bytes, str], None] = lambda topic, reason: None,
    ) -> None:
        self.member = member
        self._address = address
        self._groups = groups
        self._on_message = on_message
        self._on_refused = on_refused
        self._events: queue.Queue[Event] = queue.Queue(_WAITING)
        self._anonymous: _Link | None = None

    def __enter__(self) -> Self:
        self._link = _Link(self._address, self.member.id.decode(), self._events, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()
        if self._anonymous is not None:
            self._anonymous.close()

    @property
    def connected(self) -> bool:
        return self._link.connected

    @property
    def trouble(self) -> str:
        """Why there is no connection, as far as that is known."""
        return self._link.trouble

    def step(self, seconds: float) -> None:
        """Handles what has arrived, waiting `seconds` at most for the first of it, and does what is due."""
        end = time.monotonic() + seconds
        self._serve()
        with contextlib.suppress(queue.Empty):
            self._events.get(timeout=max(0.0, min(end - time.monotonic(), 1.0)))()
            self._serve()
            for _ in range(_WAITING):
                self._events.get_nowait()()
                self._serve()

    def wait_for(self, done: Callable[[], bool], seconds: float) -> bool:
        """Steps until done() is true; False if that takes longer than `seconds`."""
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.step(min(left, 0.1))
        return True

    def publish(
        self, topic: bytes, message: bytes, retain: bool = False, mode: int | None = None, seconds: float = 10.0
    ) -> bool:
        """Seals and publishes with QoS 1; whether the broker acknowledged it in time.

        NotReady or Refused as Member.seal raises them.
        """
        mode = self.member.mode_of(topic, mode)
        link = self._link_of(mode)
        if not self.wait_for(lambda: link.connected, seconds):
            return False
        info = link.publish(topic, bytes(self.member.seal(topic, message, retain, mode)), retain)
        return self.wait_for(info.is_published, seconds)

    def current_groups(self) -> Iterator[Membership]:
        """The groups that this member is in now."""
        if self.member.enrolled:
            yield from (group for group in self.member.groups.by_gid.values() if group.current is not None)

    def heard_filters(self) -> dict[bytes, bool]:
        """The filters on which messages for this member are published, and whether the group is of mode 3."""
        found = {}
        for group in self.current_groups():
            if self._groups is None or group.gid in self._groups:
                policy, keys = group.current.info.policy, group.current.keys
                for kind, pattern in policy.filters:
                    if (PUBLISHER if kind & QUERY else SUBSCRIBER) in keys:
                        found[pattern] = policy.mode == ANONYMOUS
        return found

    @property
    def deaf_for(self) -> int:
        """For how many seconds no message is new enough: one dated before the start could have been taken then (rule 5)."""
        member = self.member
        return max(0, member.deaf_until + 1 - member.now()) if member.enrolled else 0

    @property
    def listening(self) -> bool:
        """Whether what is sealed and sent from now on is heard: the broker has confirmed the subscriptions to all of it."""
        if self.deaf_for > 0:
            return False
        plain, unnamed = self._split()
        return (
            bool(plain or unnamed)
            and self._link.hears(plain)
            and (not unnamed or self._anonymous is not None and self._anonymous.hears(unnamed))
        )

    def received(self, link: _Link, topic: bytes, payload: bytes) -> None:
        """What a link hands over."""
        try:
            if topic.startswith(OWN):
                self._take_control(link, topic, payload)
                return
            if not self._is_for(link, topic):
                return
            message = self.member.open(topic, payload)
        except Refused as refusal:
            self._on_refused(topic, refusal.reason)
        except MicrosealError as error:
            self._on_refused(topic, str(error))
        else:
            if message is not None:
                self._on_message(message)

    def _take_control(self, link: _Link, topic: bytes, payload: bytes) -> None:
        if link is not self._link:
            # To answer on the ordinary connection what came on this one would tell the broker whose it is.
            raise Refused(errors.UNKNOWN)
        reader = self.member.reader(topic)
        if reader is None:
            self.member.control(topic, payload)
        else:
            reader.write(payload)
            reader.close()

    def _is_for(self, link: _Link, topic: bytes) -> bool:
        """Whether the topic is of a group that is listened to, and on this link: each mode is heard on its own."""
        if not self.member.enrolled:
            return False
        group, _ = self.member.find(topic)
        if self._groups is not None and group.gid not in self._groups:
            return False
        return (group.current.info.policy.mode == ANONYMOUS) == (link is not self._link)

    def _split(self) -> tuple[set[bytes], set[bytes]]:
        """The filters that are heard: those of groups of modes 1 and 2, those of mode 3."""
        heard = self.heard_filters()
        return {f for f, anonymous in heard.items() if not anonymous}, {
            f for f, anonymous in heard.items() if anonymous
        }

    def _link_of(self, mode: int) -> _Link:
        if mode != ANONYMOUS:
            return self._link
        if self._anonymous is None:
            # No more than a random name: nothing that the broker sees on this connection says whose it is. Nor does it
            # carry the user name: brokers tie that to the other connection.
            address = Address(self._address.host, self._address.port, self._address.tls, self._address.ca_file)
            self._anonymous = _Link(address, self.member.random_name().decode(), self._events, self)
        return self._anonymous

    def _serve(self) -> None:
        """Brings subscriptions and outgoing messages to what the member wants, until there is nothing left to do."""
        again = self._link.connected
        while again:
            self.member.tick()
            again = self._subscribe()
            for topic in self.member.take_refetch():
                if topic in self._link.subscribed:  # what is wanted no more would stay subscribed for good
                    self._link.fetch(topic)
            for topic, payload in self.member.take_outgoing():
                self._link.publish(topic, payload)
                again = True
            for message in self.member.take_arrived():
                self._on_message(message)

    def _subscribe(self) -> bool:
        plain, unnamed = self._split()
        changed = self._link.want(set(self.member.filters()) | plain)
        if unnamed or self._anonymous is not None:
            changed |= self._link_of(ANONYMOUS).want(unnamed)
        return changed
