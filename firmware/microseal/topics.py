"""Topic names and filters (MQTT 3.1.1 section 4.7) as bytes of UTF-8, and the topics of microseal itself (section 5)."""

from . import errors
from .errors import Refused

OWN = b"microseal/"  # the authority's and the gate's to write; no group's filter ever matches below it
LONGEST = 65496  # bytes of a topic: gctx adds up to 39 to it, and its length is signed as a u16


def _is_utf8(text):
    """Well-formed UTF-8 without U+0000, overlong forms and surrogates; MicroPython's own decoder is laxer than CPython's."""
    at, end = 0, len(text)
    while at < end:
        lead = text[at]
        if lead == 0:
            return False
        if lead < 0x80:
            at += 1
            continue
        if 0xC2 <= lead <= 0xDF:
            more, least, point = 1, 0x80, lead & 0x1F
        elif 0xE0 <= lead <= 0xEF:
            more, least, point = 2, 0x800, lead & 0x0F
        elif 0xF0 <= lead <= 0xF4:
            more, least, point = 3, 0x10000, lead & 0x07
        else:
            return False
        if at + more >= end:
            return False
        for i in range(at + 1, at + 1 + more):
            if text[i] & 0xC0 != 0x80:
                return False
            point = point << 6 | text[i] & 0x3F
        if point < least or point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            return False
        at += more + 1
    return True


def check_topic(topic):
    """`topic` (bytes) if an application message may carry it: 1 to 65,496 bytes of UTF-8, no wildcard, not ours, no leading `$`."""
    if not 1 <= len(topic) <= LONGEST or b"+" in topic or b"#" in topic or not _is_utf8(topic):
        raise Refused(errors.TOPIC)
    if topic.startswith(OWN) or topic.startswith(b"$"):
        raise Refused(errors.TOPIC)
    return topic


def check_filter(pattern):
    """`pattern` (bytes) if it is a valid topic filter of 1 to 255 bytes."""
    if not 1 <= len(pattern) <= 255 or not _is_utf8(pattern):
        raise Refused(errors.TOPIC)
    levels = pattern.split(b"/")
    for level in levels:
        if (b"+" in level or b"#" in level) and len(level) > 1:
            raise Refused(errors.TOPIC)
    if b"#" in levels[:-1]:
        raise Refused(errors.TOPIC)
    return pattern


def matches(pattern, topic):
    """Whether a valid filter matches a topic that passed check_topic."""
    if pattern == topic:
        return True
    if b"+" not in pattern and b"#" not in pattern:
        return False
    levels = pattern.split(b"/")
    names = topic.split(b"/", len(levels))  # no further: a topic may have thousands of levels
    for at, level in enumerate(levels):
        if level == b"#":
            return True  # also the parent: "a/#" matches "a"
        if at == len(names) or level != b"+" and level != names[at]:
            return False
    return len(levels) == len(names)


def overlap(one, other):
    """Whether there is a topic that two valid filters both match."""
    ones, others = one.split(b"/"), other.split(b"/")
    for at in range(max(len(ones), len(others))):
        first = ones[at] if at < len(ones) else None
        second = others[at] if at < len(others) else None
        if first == b"#" or second == b"#":
            # These two have only the empty topic in common, and there is none.
            return (one, other) not in ((b"+", b"/#"), (b"/#", b"+"))
        if first is None or second is None or first != second and first != b"+" and second != b"+":
            return False
    return True
