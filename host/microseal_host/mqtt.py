"""paho-mqtt as microseal's tools use it: where the broker is, and a client that is set up for it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from .failure import NOT_READY, USAGE, Failure

PORT = 1883
TLS_PORT = 8883
QUEUED = 2000  # messages that wait in a client for their turn to be sent


@dataclass(frozen=True)
class Address:
    """Where a broker is, and how to get in. ca_file: whom to trust for TLS, None for the system's authorities."""

    host: str
    port: int = PORT
    tls: bool = False
    ca_file: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str, tls: bool = False) -> tuple[str, int]:
    """(host, port) of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not port:
        port = str(TLS_PORT if tls else PORT)
    if not _is_host(host) or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise Failure(f"{text!r} is no broker", "give HOST or HOST:PORT", USAGE)
    return host, int(port)


def _is_host(text: str) -> bool:
    """Whether the resolver takes it for a name or an address: paho's thread would end by anything else."""
    try:
        return bool(text.encode("idna")) and text.isprintable() and " " not in text
    except UnicodeError:
        return False


def from_claim(broker: Mapping[str, object]) -> Address:
    """The address in a claim file or in a device's record."""
    host, port = broker.get("host"), broker.get("port")
    if not isinstance(host, str) or not isinstance(port, int) or not _is_host(host) or not 0 < port < 65536:
        raise Failure(
            f"{host!r}, port {port!r}, is no broker", "it came with the claim file: make another one", NOT_READY
        )
    return Address(host, port, tls=bool(broker.get("tls", False)))


def new_client(address: Address, client_id: str, *, clean: bool, manual_ack: bool = False) -> Client:
    """A client that is not connected yet. MQTT 3.1.1, which every broker has; it reconnects after 1 to 60 s."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=clean,
        protocol=MQTTProtocolVersion.MQTTv311,
        manual_ack=manual_ack,
    )
    client.max_inflight_messages_set(100)
    client.max_queued_messages_set(QUEUED)
    client.reconnect_delay_set(min_delay=1, max_delay=60)
    client.connect_timeout = 10
    client.on_socket_open = _send_at_once
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        try:
            client.tls_set(ca_certs=address.ca_file, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        except (OSError, ssl.SSLError) as error:
            raise Failure(
                f"cannot use {address.ca_file or 'the system certificates'}: {error}", code=NOT_READY
            ) from None
    return client


def _send_at_once(_client: Client, _data: Any, sock: socket.socket) -> None:
    """Nagle's algorithm would hold back a small packet until the broker's delayed acknowledgement: 40 ms each."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
