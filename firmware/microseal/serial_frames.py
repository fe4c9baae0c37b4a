"""Frames on a cable that carries other things as well: what a board prints, and whatever its REPL makes of what it is sent.

    frame = `~` ‖ base64(u8(direction << 7 | kind) ‖ u8(channel) ‖ u8(seq) ‖ u8(ack) ‖ payload ‖ u32(check)) ‖ `!`

check is the CRC-32 of session ‖ all before it. A frame is printable text without an end of line. So a board that has fallen back to its
REPL executes nothing of it, whatever a broker puts into its messages; no byte of it is the interrupt, Ctrl-C, which therefore
always is one; and what is printed in between shows by itself where the next frame begins.

session: 4 bytes drawn by the bridge, zeros in HELLO: frames of an earlier session are nobody's. seq counts the frames of a session in
each direction, modulo 256: a gap ends the session. ack: the next seq that the sender expects.

The check finds accidents. It keeps nobody out: whoever has the cable has the board.
"""

from binascii import a2b_base64, b2a_base64, crc32

VERSION = 1
START = 0x7E  # ~
END = 0x21  # !
LEAST = 8  # bytes of a frame without payload, before base64

TO_BOARD = 0
TO_BRIDGE = 0x80

# Kinds, with their payloads.
HELLO = 0  # to the board: u8(version) ‖ session; to the bridge: the same ‖ u16(window), or session zeros: wants one
OPEN = 1  # to the bridge: make a connection to the broker; to the board: it is made
DATA = 2  # bytes of the connection
CREDIT = 3  # u16: so many bytes more may be sent on this channel
CLOSE = 4  # u8(reason)
BEAT = 5  # to the board: are you there; to the bridge: an ack, without anything else
BYE = 6  # to the board: the bridge ends

ENDED = 0  # reasons: the other side closed it
REFUSED = 1  # no connection to the broker
WRONG = 2  # too many channels, or more bytes than there was credit for

NO_SESSION = b"\0\0\0\0"


def encode(session, head, channel, seq, ack, payload=b""):
    """The frame; head: direction | kind; payload: bytes-like."""
    body = bytes((head, channel, seq, ack)) + payload
    check = crc32(body, crc32(session))
    return b"~" + b2a_base64(body + check.to_bytes(4, "big"))[:-1] + b"!"


def wire_length(length):
    """Bytes of a frame with a payload of `length` bytes."""
    return 2 + (LEAST + length + 2) // 3 * 4


def decode(text):
    """What is between START and END: the bytes before the check, and the check; None if it is no frame."""
    try:
        body = a2b_base64(text)
    except ValueError:
        return None
    if len(body) < LEAST:
        return None
    return body[:-4], int.from_bytes(body[-4:], "big")


def is_of(session, body, check):
    """Whether a decoded frame belongs to this session."""
    return crc32(body, crc32(session)) == check
