"""What fuzzing makes of valid messages: the same for the same seed, on MicroPython and CPython alike."""


class Dice:
    """A small generator (xorshift, 32 bits): it needs to be the same everywhere, not good."""

    def __init__(self, seed):
        self._state = (seed * 2654435761 + 1) & 0xFFFFFFFF or 1

    def next(self, n):
        """0 to n - 1."""
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x % n

    def bytes(self, n):
        return bytes([self.next(256) for _ in range(n)])

    def pick(self, things):
        return things[self.next(len(things))]


def mutate(dice, raw, others, pieces):
    """`raw` made another message. others: messages to splice with; pieces: fields worth putting in, points for example."""
    change = dice.pick(_CHANGES)
    raw = change(dice, bytearray(raw), others, pieces)
    while dice.next(3) == 0:
        raw = dice.pick(_CHANGES)(dice, bytearray(raw), others, pieces)
    return bytes(raw)


def _flip(dice, raw, others, pieces):
    if raw:
        raw[dice.next(len(raw))] ^= 1 << dice.next(8)
    return raw


def _set(dice, raw, others, pieces):
    if raw:
        raw[dice.next(len(raw))] = dice.pick((0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, dice.next(256)))
    return raw


def _truncate(dice, raw, others, pieces):
    return raw[: dice.next(len(raw) + 1)]


def _drop_head(dice, raw, others, pieces):
    return raw[dice.next(len(raw) + 1) :]


def _extend(dice, raw, others, pieces):
    return raw + dice.pick((bytes, dice.bytes))(1 + dice.next(40))


def _cut_out(dice, raw, others, pieces):
    at = dice.next(len(raw) + 1)
    return raw[:at] + raw[at + 1 + dice.next(33) :]


def _double(dice, raw, others, pieces):
    at = dice.next(len(raw) + 1)
    return raw[: at + dice.next(40)] + raw[at:]


def _swap(dice, raw, others, pieces):
    """Two stretches of the same length change places."""
    size = 1 + dice.next(33)
    if len(raw) > 2 * size:
        one = dice.next(len(raw) - 2 * size + 1)
        two = one + size + dice.next(len(raw) - one - 2 * size + 1)
        raw[one : one + size], raw[two : two + size] = raw[two : two + size], raw[one : one + size]
    return raw


def _splice(dice, raw, others, pieces):
    other = dice.pick(others)
    if dice.next(2):
        at = dice.next(min(len(raw), len(other)) + 1)
        return bytes(raw[:at]) + other[at:]
    return bytes(raw[: dice.next(len(raw) + 1)]) + other[dice.next(len(other) + 1) :]


def _put(dice, raw, others, pieces):
    """A known field over whatever is there."""
    piece = dice.pick(pieces)
    at = dice.next(max(1, len(raw) - len(piece) + 1))
    return bytes(raw[:at]) + piece + bytes(raw[at + len(piece) :])


def _count(dice, raw, others, pieces):
    """A number in it, one more or less."""
    size = dice.pick((1, 2, 4))
    if len(raw) >= size:
        at = dice.next(len(raw) - size + 1)
        number = int.from_bytes(raw[at : at + size], "big") + dice.pick((1, -1))
        raw[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "big")
    return raw


def _random(dice, raw, others, pieces):
    return dice.bytes(dice.pick((len(raw), dice.next(len(raw) + 40))))


# The gentle ones more often: what is nearly right gets furthest.
_CHANGES = (
    (_flip, _set, _count, _put, _swap) * 3
    + (_truncate, _extend, _cut_out, _double, _splice) * 2
    + (_drop_head, _random)
)
