"""`microseal authority run`: answers devices over MQTT and keeps groups and the broker as the operator wishes.

One thread does all the work, in transactions that begin with a look at the lease; paho's thread only hands over what arrives.
A message of QoS 1 is acknowledged when its transaction is on disk and its answer handed to the client: a service that is killed
in between gets it again, and gives the same stored reply.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from microseal.errors import Refused

from ..failure import NOT_READY, Failure
from ..mqtt import Address, new_client
from . import board, epochs, registry, requests, schema, signing
from .budget import Budget, RefusalLog
from .database import Database, reason_of
from .lease import RENEW, Lease, LeaseLost
from .vault import Vault

log = logging.getLogger("microseal.authority")

POLL = 0.5  # s between looks at what the operator wishes
SETTLE = 0.3  # s without a change after which newcomers get their epoch ...
PATIENCE = 2.0  # ... and the most that they wait for it
HOUSEKEEPING = 30.0  # s between looks at what the time alone has changed
KEEP_REPLACED = 86400  # s for which a replaced certificate can still be fetched
_LONGEST = 256  # bytes of a payload that is looked at
_WAITING = 1000  # messages that wait for their turn
_BATCH = 64  # messages answered in one transaction
_ON_THEIR_WAY = 500  # retained messages that the broker has not acknowledged
_AGAIN = 30.0  # s after which a group whose epoch could not be made is tried again


@dataclass(frozen=True)
class Incoming:
    """A message as paho's thread hands it over. connection: which connection it came on."""

    connection: int
    topic: bytes
    payload: bytes
    mid: int
    qos: int


@dataclass(frozen=True)
class _Answer:
    """event: what is to be logged once it is on disk, empty for nothing; topic: empty if there is nothing to send.

    stored: whether anything was written.
    """

    event: str
    topic: str = ""
    payload: bytes = b""
    stored: bool = False


class Service:
    """Runs until stop is set. ready is set once the broker has everything that it is to hold."""

    def __init__(self, database: Database, vault: Vault, address: Address) -> None:
        self._database = database
        self._vault = vault
        self._address = address
        self._lease = Lease(database)
        self.stop = threading.Event()
        self.ready = threading.Event()
        # 23 characters of letters and digits: what every MQTT 3.1.1 broker takes.
        self._client = new_client(address, f"microseal{vault.anchor.issuer[:7].hex()}", clean=False, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._incoming: queue.Queue[Incoming] = queue.Queue(_WAITING)
        self._acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._connection = 0  # counts connections; written by paho's thread
        self._connected = threading.Event()
        self._lost_state = threading.Event()  # the broker kept nothing for this client
        self._backlog: list[Incoming] = []
        self._on_their_way: dict[int, board.Notice] = {}
        self._seen_connection = 0
        self._revision = -1
        self._changed: tuple[float, float] | None = None  # the first and the last change that was not acted on
        self._review_at = 0.0
        self._publish_due = True
        self._broken: dict[str, float] = {}  # gid -> when to try again
        self._next = {"poll": 0.0, "lease": 0.0, "summary": 0.0}
        self._refusals = RefusalLog(log)
        self._dropped = 0
        self._handlers: dict[bytes, tuple[_Handler, Budget]] = {
            b"enroll": (self._enroll, Budget((0.5, 5), (500, 2000))),
            b"share": (self._share, Budget((0.5, 5), (500, 2000))),
            b"ask": (self._ask, Budget((0.2, 5), (500, 2000))),
            b"clock": (self._clock, Budget((1, 5), (1000, 2000))),
        }

    # paho's thread: short, and it must not raise

    def _on_connect(self, client: Client, _data: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker %s refuses this client: %s", self._address, reason)
            return
        self._connection += 1
        if not flags.session_present:
            self._lost_state.set()
        client.subscribe([(f"microseal/{kind.decode()}/+", 1) for kind in self._handlers])
        self._connected.set()

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        # paho calls this while it handles the exception, and tells no reason itself.
        log.warning("cannot reach the broker %s: %s; trying again", self._address, sys.exc_info()[1])

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if self._connected.is_set() and not self.stop.is_set():
            log.warning("lost the broker %s (%s), connecting again", self._address, reason)
        self._connected.clear()

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b""
        # Devices never retain what they ask: a retained one was put there by somebody to be heard again and again.
        if topic and len(message.payload) <= _LONGEST and not message.retain:
            try:
                self._incoming.put_nowait(Incoming(self._connection, topic, message.payload, message.mid, message.qos))
                return
            except queue.Full:
                pass
        self._dropped += 1
        client.ack(message.mid, message.qos)

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: ReasonCode, _properties: Any) -> None:
        self._acknowledged.put(mid)

    # The service's thread

    def run(self) -> None:
        """Returns after stop is set. Failure if another service has the lease, at the start or later."""
        self._retry_database(self._lease.take)
        try:
            self._client.connect_async(self._address.host, self._address.port, keepalive=30)
            self._client.loop_start()
            try:
                while not self.stop.is_set():
                    self._retry_database(self._step)
                self._finish()
            finally:
                self._client.disconnect()
                self._client.loop_stop()
        except LeaseLost:
            raise Failure("another authority service has taken over this database", code=NOT_READY) from None
        finally:
            # If the database is gone, the lease runs out by itself.
            with contextlib.suppress(DBAPIError):
                self._lease.release()

    def _retry_database(self, work: Callable[[], None]) -> None:
        """Calls work until the database is there; what it had begun was rolled back, so it begins again."""
        pause = 1.0
        while True:
            try:
                return work()
            except DBAPIError as error:
                if self.stop.is_set():
                    return None
                log.error("cannot use the database: %s; trying again in %.0f s", reason_of(error), pause)
                self.stop.wait(pause)
                pause = min(2 * pause, 30.0)

    def _step(self) -> None:
        if not self._backlog:
            self._collect(0.05 if self._on_their_way or self._changed else 0.2)
        if self._backlog:
            self._answer()
        self._notice_connection()
        self._take_acknowledgements()
        now = time.monotonic()
        if self._due("lease", now, RENEW):
            self._lease.renew()
        if self._due("poll", now, POLL):
            self._notice_wishes(now)
        if now >= self._review_at:
            self._review(now)
        if self._due("summary", now, 10.0):
            self._summarize()
        self._publish()

    def _due(self, what: str, now: float, every: float) -> bool:
        if now < self._next[what]:
            return False
        self._next[what] = now + every
        return True

    def _collect(self, timeout: float) -> None:
        try:
            self._backlog.append(self._incoming.get(timeout=timeout))
            while len(self._backlog) < _BATCH:
                self._backlog.append(self._incoming.get_nowait())
        except queue.Empty:
            pass

    # Answers

    def _answer(self) -> None:
        """Answers the backlog in one transaction, which is on disk before anything is sent."""
        answers: list[_Answer] = []
        with self._database.write() as connection:
            self._lease.look(connection)
            for message in self._backlog:
                answer = self._answer_one(connection, message)
                if answer is not None:
                    answers.append(answer)
            if any(answer.stored for answer in answers):
                self._lease.hold(connection)
        for answer in answers:
            if answer.event:
                log.info("%s", answer.event)
                self._next["poll"] = 0.0  # it is a change like the operator's
            if answer.topic:
                self._client.publish(answer.topic, answer.payload, qos=1)
        for message in self._backlog:
            # On a later connection the number may belong to another message.
            if message.connection == self._connection:
                self._client.ack(message.mid, message.qos)
        self._backlog.clear()

    def _answer_one(self, connection: Connection, message: Incoming) -> _Answer | None:
        levels = message.topic.split(b"/")
        if len(levels) != 3 or levels[1] not in self._handlers:
            self._dropped += 1
            return None
        kind, subject = levels[1], levels[2]
        handler, budget = self._handlers[kind]
        if not budget.take(subject):
            self._dropped += 1
            return None
        try:
            with connection.begin_nested():
                return handler(connection, subject, message.payload)
        except Refused as refusal:
            self._refusals.refuse(kind.decode(), subject, refusal.reason)
        except Failure as failure:
            log.error("cannot answer %s: %s", kind.decode(), failure)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # Whatever it is about this message, it must not come back at every start.
            log.exception("cannot answer %s", kind.decode())
        return None

    def _enroll(self, connection: Connection, subject: bytes, payload: bytes) -> _Answer:
        reply, is_new = requests.enroll(connection, self._vault, subject, payload, _now())
        device = subject.decode()
        if reply is None:
            return _Answer(f"{device} waits for approval" if is_new else "", stored=is_new)
        return _Answer(f"enrolled {device}" if is_new else "", f"microseal/reply/{device}", reply, is_new)

    def _share(self, connection: Connection, subject: bytes, payload: bytes) -> _Answer:
        device = requests.share(connection, self._vault, subject, payload, _now())
        return _Answer(f"share of {device} accepted", stored=True) if device else _Answer("")

    def _ask(self, connection: Connection, subject: bytes, payload: bytes) -> _Answer:
        requests.ask(connection, self._vault, subject, payload, _now())
        self._publish_due = True
        return _Answer("", stored=True)

    def _clock(self, connection: Connection, subject: bytes, payload: bytes) -> _Answer:
        answer = requests.clock(connection, self._vault, subject, payload, _now())
        return _Answer("", f"microseal/time/{subject.decode()}", answer)

    # Wishes and time

    def _notice_wishes(self, now: float) -> None:
        with self._database.read() as connection:
            revision = registry.revision(connection)
        if revision != self._revision:
            self._revision = revision
            self._changed = (self._changed[0] if self._changed else now), now
            self._review_at = now  # at once: somebody may have to be shut out
            self._publish_due = True

    def _review(self, now: float) -> None:
        """Makes the revoked list and the epochs what they should be; newcomers wait until no more of them arrive."""
        changed = self._changed
        settled = changed is None or now - changed[1] >= SETTLE or now - changed[0] >= PATIENCE
        self._renew_signer()
        self._grant()
        with self._database.write() as connection:
            self._lease.hold(connection)
            if epochs.update_revoked(connection, self._vault, _now()):
                log.info("revoked list published")
                size = len(board.payload(connection, board.REVOKED) or b"")
                if size > board.DEVICES_READ:
                    log.warning(
                        "the revoked list has %d bytes: devices read one of %d at most", size, board.DEVICES_READ
                    )
                self._publish_due = True
            due = epochs.find_due(connection, _now())
        waiting = False
        for group in due:
            if not group.urgent and not settled:
                waiting = True
            elif self._broken.get(group.gid, 0.0) <= now:
                self._make(group, now)
        with self._database.write() as connection:
            self._lease.hold(connection)
            cleared = epochs.clear_certificates(connection, _now(), KEEP_REPLACED)
            if epochs.clear_groups(connection, _now()) or cleared:
                self._publish_due = True
        if waiting and changed is not None:
            self._review_at = changed[1] + SETTLE
        else:
            self._changed = None
            self._review_at = now + HOUSEKEEPING

    def _grant(self) -> None:
        """Answers what was approved. A device that is away, or misses this, sends its request again and is answered then."""
        with self._database.write() as connection:
            self._lease.hold(connection)
            granted = requests.grant(connection, self._vault, _now())
        for device, reply in granted:
            log.info("enrolled %s, as approved", device)
            self._client.publish(f"microseal/reply/{device}", reply, qos=1)

    def _renew_signer(self) -> None:
        with self._database.write() as connection:
            self._lease.hold(connection)
            signer = signing.renew(connection, self._vault, _now())
        if signer is not None:
            self._vault.signer = signer
            self._publish_due = True
            log.info("a new signer's certificate, good for %d days", (signer.cert.not_after - _now()) // 86400)

    def _make(self, group: epochs.Due, now: float) -> None:
        try:
            with self._database.write() as connection:
                self._lease.hold(connection)
                number = epochs.make(connection, self._vault, group, _now())
        except (OperationalError, InterfaceError, LeaseLost):
            raise
        except Exception as error:
            # The other groups get theirs.
            log.error("cannot make an epoch of group %s: %s", group.gid, error, exc_info=not isinstance(error, Failure))
            self._broken[group.gid] = now + _AGAIN
            return
        self._broken.pop(group.gid, None)
        self._publish_due = True
        log.info("group %s: epoch %d, %d seats (%s)", group.gid, number, len(group.seats), group.why)

    def _summarize(self) -> None:
        self._refusals.summarize()
        dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("dropped %d messages unread: too many, too long, or on a strange topic", dropped)

    # Retained messages

    def _notice_connection(self) -> None:
        if self._connection == self._seen_connection:
            return
        first = self._seen_connection == 0
        self._seen_connection = self._connection
        log.info("connected to %s", self._address)
        self._on_their_way.clear()
        self._publish_due = True
        self.ready.clear()
        lost = self._lost_state.is_set()
        self._lost_state.clear()
        if first or lost:
            # Which of it the broker still has is not worth asking: it is published again.
            with self._database.write() as connection:
                self._lease.hold(connection)
                board.forget_published(connection)

    def _take_acknowledgements(self) -> None:
        done = []
        while True:
            try:
                notice = self._on_their_way.pop(self._acknowledged.get_nowait(), None)
            except queue.Empty:
                break
            if notice is not None:
                done.append(notice)
        if done:
            self._publish_due = True
            with self._database.write() as connection:
                self._lease.hold(connection)
                board.published(connection, done)

    def _publish(self) -> None:
        """Sends what the broker is not known to have, a few hundred messages at a time."""
        if not self._publish_due or not self._connected.is_set():
            return
        underway = {(notice.topic, notice.version) for notice in self._on_their_way.values()}
        with self._database.read() as connection:
            notices = board.dirty(connection, _ON_THEIR_WAY)
        for notice in notices:
            if (notice.topic, notice.version) in underway:
                continue
            sent = self._client.publish(notice.topic, notice.payload, qos=1, retain=True)
            if sent.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
                return  # the client's queue is full: when it is shorter, again
            self._on_their_way[sent.mid] = notice
        self._publish_due = False
        if not notices and not self.ready.is_set():
            with self._database.read() as connection:
                held = len(connection.execute(select(schema.retained.c.topic)).all())
            log.info("ready: the broker has all %d retained messages", held)
            self.ready.set()

    def _finish(self) -> None:
        """Lets what is on its way arrive, for two seconds at most."""
        end = time.monotonic() + 2.0
        while self._on_their_way and self._connected.is_set() and time.monotonic() < end:
            time.sleep(0.02)
            self._take_acknowledgements()


_Handler = Callable[[Connection, bytes, bytes], _Answer]


def _now() -> int:
    return int(time.time())
