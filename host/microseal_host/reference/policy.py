"""Section 5's policy: the least mode, max_age, max_size, and the topics of a group (MQTT 3.1.1 section 4.7)."""

from dataclasses import dataclass

from .reading import Reader
from .refusal import Refused

DIRECTION, STATE = 1, 2


@dataclass(frozen=True)
class Policy:
    mode: int
    max_age: int
    max_size: int
    filters: tuple[tuple[int, str], ...]

    def kinds(self, topic: str) -> set[int]:
        """The kinds of the filters that match the topic."""
        return {kind for kind, pattern in self.filters if matches(pattern, topic)}


def _check_filter(pattern: str) -> None:
    levels = pattern.split("/")
    if not pattern or "\0" in pattern:
        raise Refused("text", "filter")
    for i, level in enumerate(levels):
        if "#" in level and (level != "#" or i != len(levels) - 1):
            raise Refused("text", "filter")
        if "+" in level and level != "+":
            raise Refused("text", "filter")


def parse_policy(data: bytes) -> Policy:
    reader = Reader(data)
    mode, max_age, max_size = reader.number(1, "mode"), reader.number(4, "max_age"), reader.number(2, "max_size")
    filters = []
    for _ in range(reader.number(1, "count")):
        kind = reader.number(1, "kind")
        raw = reader.take(reader.number(1, "filter"), "filter")
        if kind > 3:
            raise Refused("kind", "filter")
        try:
            pattern = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("text", "filter") from None
        _check_filter(pattern)
        filters.append((kind, pattern))
    reader.end()
    if mode > 3:
        raise Refused("kind", "mode")
    if mode == 3 and max_age == 0:
        raise Refused("kind", "mode 3 without max_age")
    return Policy(mode, max_age, max_size, tuple(filters))


def matches(pattern: str, topic: str) -> bool:
    """No filter matches the protocol's own topics, nor those that begin with $."""
    if topic.startswith(("microseal/", "$")):
        return False
    wanted, levels = pattern.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        # "#" stands for any number of levels, none included: a/# matches a.
        if level == "#":
            return True
        if i >= len(levels) or level not in ("+", levels[i]):
            return False
    return len(levels) == len(wanted)
