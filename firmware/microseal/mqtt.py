"""How MQTT 3.1.1 writes lengths, names and requests; section numbers are those of the standard."""

MAX_LENGTH = 268435455  # bytes after the fixed header (2.2.3)

CONNECT = 0x10
CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40
SUBSCRIBE = 0x82
SUBACK = 0x90
UNSUBSCRIBE = 0xA2
UNSUBACK = 0xB0
PINGRESP = 0xD0

DUP = 0x08  # flag of a PUBLISH that is sent again
REFUSED = 0x80  # return code of a SUBACK
UNAVAILABLE = 3  # return code of a CONNACK: the one that may be another one a moment later


def put_length(buffer, at, length):
    """Writes a remaining length (2.2.3) of 0 to MAX_LENGTH at buffer[at]; returns the index after its 1 to 4 bytes."""
    while length > 0x7F:
        buffer[at] = length & 0x7F | 0x80
        length >>= 7
        at += 1
    buffer[at] = length
    return at + 1


def field(value, what):
    """str or bytes-like as the bytes of a field, 65,535 at most, else ValueError with `what`."""
    value = value.encode() if isinstance(value, str) else bytes(value)
    if len(value) > 65535:
        raise ValueError(what + " longer than 65,535 bytes")
    return value


def _name(value, what):
    value = field(value, what)
    if not value or b"\0" in value:
        raise ValueError(what + " empty, or with NUL in it")
    value.decode()  # what is not UTF-8 raises UnicodeError, a ValueError
    return value


def check_topic(topic):
    """A topic name (4.7) as bytes: 1 to 65,535 bytes of UTF-8 without wildcards and NUL, else ValueError."""
    topic = _name(topic, "topic")
    if b"+" in topic or b"#" in topic:
        raise ValueError("topic with a wildcard")
    return topic


def check_filter(pattern):
    """A topic filter (4.7) as bytes: 1 to 65,535 of UTF-8 without NUL, wildcards as whole levels, else ValueError."""
    pattern = _name(pattern, "topic filter")
    levels = pattern.split(b"/")
    for level in levels:
        if len(level) > 1 and (b"+" in level or b"#" in level):
            raise ValueError("topic filter with a wildcard that is no whole level")
    if b"#" in levels[:-1]:
        raise ValueError("topic filter with # before its end")
    return pattern


def connect_packet(client_id, clean_session, keepalive, will, user, password):
    """CONNECT (3.1). will: (topic, message, QoS, retain) or None; user, password: str, bytes or None."""
    flags = 2 if clean_session else 0
    fields = [field(client_id, "client id")]
    if will:
        topic, msg, qos, retain = will
        flags |= 4 | qos << 3 | (0x20 if retain else 0)
        fields += [topic, msg]
    if user is not None:
        flags |= 0x80
        fields.append(field(user, "user name"))
    if password is not None:
        if user is None:
            raise ValueError("a password needs a user name")
        flags |= 0x40
        fields.append(field(password, "password"))
    variable = b"\0\x04MQTT\x04" + bytes((flags, keepalive >> 8, keepalive & 0xFF))
    return _packet(CONNECT, variable, fields)


def request_packet(kind, pid, pattern, qos=b""):
    """SUBSCRIBE (3.8) with qos one byte, or UNSUBSCRIBE (3.10) without, of one filter."""
    return _packet(kind, bytes((pid >> 8, pid & 0xFF)), [pattern], qos)


def _packet(kind, variable, fields, tail=b""):
    head = bytearray(5)
    head[0] = kind
    at = put_length(head, 1, len(variable) + sum(2 + len(one) for one in fields) + len(tail))
    parts = [bytes(head[:at]), variable]
    for one in fields:
        parts += [bytes((len(one) >> 8, len(one) & 0xFF)), one]
    return b"".join(parts) + tail
