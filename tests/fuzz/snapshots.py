"""The whole state of an object, to be compared: on MicroPython and CPython alike."""

_PLAIN = (int, str, bytes, float, type(None))


def snapshot(thing, hidden=(), inside=()):
    """Nested tuples of everything reachable from `thing` by attributes and containers, without the attributes named `hidden`."""
    if isinstance(thing, _PLAIN):
        return thing
    if isinstance(thing, (bytearray, memoryview)):
        return bytes(thing)
    for outer in inside:
        if outer is thing:
            return "above"
    inside = inside + (thing,)
    if isinstance(thing, (list, tuple)):
        return tuple([snapshot(item, hidden, inside) for item in thing])
    if isinstance(thing, dict):
        pairs = [(repr(key), snapshot(value, hidden, inside)) for key, value in thing.items()]
        return tuple(sorted(pairs, key=lambda pair: pair[0]))
    if isinstance(thing, (set, frozenset)):
        return tuple(sorted([repr(item) for item in thing]))
    attributes = getattr(thing, "__dict__", None)
    if attributes is None or callable(thing):
        return type(thing).__name__
    found = [(name, snapshot(attributes[name], hidden, inside)) for name in sorted(attributes) if name not in hidden]
    return (type(thing).__name__, tuple(found))


def difference(before, after, path=""):
    """Where two snapshots differ first: for the message of a failure."""
    if before == after:
        return None
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        for at in range(len(before)):
            name = before[0] if at == 1 and isinstance(before[0], str) else str(at)
            found = difference(before[at], after[at], path + "/" + name)
            if found:
                return found
    return path + ": " + repr(before)[:200] + " -> " + repr(after)[:200]
