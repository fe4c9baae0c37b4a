"""What is under `reject` in a vector file: the check that has to refuse it, and whether it was made as its `why` says.

A value that is refused for another reason than its own tests nothing; so each is also compared with what it was made from, which
another case takes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from microseal_host.reference import schnorr
from microseal_host.reference.envelopes import context
from microseal_host.reference.suites import SUITES, sc

from .cases import Case, Cases, Scenario, Values, scenario_cases, sec4_cases
from .vectors import VectorFile

Made = Callable[["Rejected"], bool]


class Rejected:
    """A reject with the bytes of its value and of its source."""

    def __init__(self, s: Scenario, entry: Values) -> None:
        self.s = s
        self.entry = entry
        self.value = bytes.fromhex(entry["value"])
        self.curve = SUITES[s.suite].curve
        self.q = sc(self.curve.q)
        self.source = bytes.fromhex(_source(s, entry))

    @property
    def first(self) -> Values:
        """The member of whom certificates, requests, replies and shares are."""
        return self.s.members[0]

    def is_source(self, *changes: tuple[int, bytes]) -> bool:
        """Whether the value is the source with these bytes put at these places."""
        made = bytearray(self.source)
        for at, data in changes:
            start = at % len(made)
            made[start : start + len(data)] = data
        return self.value == made

    def flipped(self, at: int, bits: int) -> bool:
        """Whether only these bits of one byte differ."""
        return self.is_source((at, bytes([self.source[at] ^ bits])))

    def replaced(self, start: int, end: int) -> bool:
        """Whether only these bytes may differ."""
        same = len(self.value) == len(self.source)
        return same and self.value[:start] == self.source[:start] and self.value[end:] == self.source[end:]

    def off_the_curve(self, at: int) -> bool:
        """Whether only the x of the point at `at` differs, and is the x of no point; the same one wherever a file has such."""
        x = self.value[at + 1 : at + 33]
        others = {o.value[i + 1 : i + 33] for o, i in _off_the_curve(self.s)}
        try:
            self.curve.decode(b"\2" + x)
        except ValueError:
            return int.from_bytes(x, "big") < self.curve.p and others <= {x}
        return False


def _source(s: Scenario, entry: Values) -> str:
    kind = entry["kind"]
    if kind == "envelope":
        return s.content["envelopes"][entry["envelope"]]["envelope"]
    if kind in ("certificate", "request", "reply"):
        return s.members[0][kind]
    if kind == "share":
        return s.members[0]["share_box"]
    if kind == "info":
        return s.groups[0]["info"]
    if kind == "key_packet":
        return next((p["packet"] for p in s.groups[0]["key_packets"] if p["member"] == entry["member"]), "")
    if kind in ("hello", "welcome"):
        return s.content["sessions"][0][kind]
    frames = s.content["sessions"][0]["frames"]
    return next((f["frame"] for f in frames if f["way"] == "up" and f["topic"] == "s/1"), "")


def _off_the_curve(s: Scenario) -> list[tuple[Rejected, int]]:
    places = {
        ("envelope", "Z not on the curve"): lambda r: 7,
        ("certificate", "C not on the curve"): lambda r: len(r.source) - 66,
        ("request", "R not on the curve"): lambda r: len(r.source) - 66,
    }
    found = []
    for entry in s.content["reject"]:
        place = places.get((entry["kind"], entry["why"]))
        if place:
            r = Rejected(s, entry)
            found.append((r, place(r)))
    return found


# How each is made


def _no_id(r: Rejected) -> bool:
    return r.value == r.source[:14] + b"\0" + r.source[-66:]


def _resealed(r: Rejected) -> bool:
    """Header and Z are kept; that the rest is sealed and signed anew is seen by the reason, which comes after both."""
    return r.value[:40] == r.source[:40]


def _by_a_device(r: Rejected) -> bool:
    suite = SUITES[r.s.suite]
    body, sig = r.value[:-64], r.value[-64:]
    keys = (bytes.fromhex(member["public"]) for member in r.s.devices)
    return body == r.source[:-64] and any(schnorr.verify(suite, key, "group", b"", body, sig) for key in keys)


def _of_another_member(r: Rejected) -> bool:
    others = (p for p in r.s.groups[0]["key_packets"] if p["member"] != r.entry["member"])
    return r.entry["value"] == next(others)["packet"]


def _other_role(r: Rejected) -> bool:
    own = [bytes.fromhex(p["packet"]) for p in r.s.groups[0]["key_packets"] if p["member"] == r.entry["member"]]
    return any(r.value == bytes([3 - packet[0]]) + packet[1:] for packet in own)


def _other_sender(r: Rejected) -> bool:
    return r.value[:3] == r.source[:3] and r.value[11:27] == r.source[11:27] and _sender(r) is not None


def _sender(r: Rejected) -> Values | None:
    kid = r.value[3:11].hex()
    return next((member for member in r.s.members if member["kid"] == kid), None)


def _kid_of_another(r: Rejected) -> bool:
    kids = {member["kid"] for member in r.s.members} - {r.source[1:9].hex()}
    return r.replaced(1, 9) and r.value[1:9].hex() in kids


@dataclass(frozen=True)
class Rule:
    """The reasons of which one must be named, and how the value is made of its source."""

    reasons: frozenset[str]
    made: Made


def _rule(reasons: str, made: Made) -> Rule:
    return Rule(frozenset(reasons.split(", ")), made)


RULES: dict[tuple[str, str], Rule] = {
    ("envelope", "s is zero"): _rule("scalar", lambda r: r.is_source((-32, bytes(32)))),
    ("envelope", "s is q"): _rule("scalar", lambda r: r.is_source((-32, r.q))),
    ("envelope", "s of ones"): _rule("scalar", lambda r: r.is_source((-32, b"\xff" * 32))),
    # In modes 1 and 2 there is no length to be wrong: one byte of the signature becomes one of the message.
    ("envelope", "one byte more"): _rule("length, size, signature, scalar", lambda r: r.value == r.source + b"\0"),
    ("envelope", "one byte less"): _rule("length, signature, scalar", lambda r: r.value == r.source[:-1]),
    ("envelope", "other suite"): _rule("suite", lambda r: r.flipped(0, 0x30)),
    ("envelope", "other direction"): _rule("direction", lambda r: r.flipped(0, 0x08)),
    ("envelope", "other epoch"): _rule("epoch", lambda r: r.flipped(2, 1)),
    ("envelope", "unknown mode"): _rule("mode", lambda r: r.is_source((0, bytes([r.source[0] | 7])))),
    ("envelope", "empty"): _rule("length", lambda r: r.value == b""),
    ("envelope", "Z with prefix 04"): _rule(
        "inner point", lambda r: r.value[:-64] == r.source[:7] + b"\4" + r.source[8:-64]
    ),
    ("envelope", "Z with x = p"): _rule(
        "inner point", lambda r: r.value[:-64] == r.source[:8] + sc(r.curve.p) + r.source[40:-64]
    ),
    ("envelope", "Z not on the curve"): _rule(
        "inner point",
        lambda r: r.value[:8] == r.source[:8] and r.value[40:-64] == r.source[40:-64] and r.off_the_curve(7),
    ),
    ("envelope", "32 zeros too many"): _rule("inner padding, size", _resealed),
    ("envelope", "no 80"): _rule("inner padding", _resealed),
    ("envelope", "inner signature altered"): _rule("inner signature", _resealed),
    ("envelope", "inner signature by another member"): _rule("inner signature", _resealed),
    ("envelope", "inner kid is the signer's"): _rule("inner role", _resealed),
    ("envelope", "valid signature of a certificate on no roster"): _rule("role", _other_sender),
    ("envelope", "valid signature of a subscriber that is no publisher"): _rule("role", _other_sender),
    ("certificate", "one byte more"): _rule("length", lambda r: r.value == r.source + b"\0"),
    ("certificate", "id of length 0"): _rule("name", _no_id),
    ("certificate", "id with a slash"): _rule("name", lambda r: r.is_source((15, b"/"))),
    ("certificate", "another issuer"): _rule("issuer", lambda r: r.is_source((2, bytes(8)))),
    ("certificate", "C not on the curve"): _rule(
        "point", lambda r: r.replaced(len(r.source) - 65, len(r.source) - 33) and r.off_the_curve(len(r.source) - 66)
    ),
    ("request", "R not on the curve"): _rule(
        "point", lambda r: r.replaced(len(r.source) - 65, len(r.source) - 33) and r.off_the_curve(len(r.source) - 66)
    ),
    ("request", "R with prefix 00"): _rule("point", lambda r: r.is_source((-66, b"\0"))),
    ("request", "length says more"): _rule("length", lambda r: r.is_source((1, bytes([r.source[1] + 1])))),
    ("reply", "a is q"): _rule("scalar", lambda r: r.is_source((-32, r.q))),
    ("reply", "a of another key"): _rule("key", lambda r: r.flipped(-1, 1)),
    ("share", "tag altered"): _rule("decryption", lambda r: r.flipped(-1, 1)),
    ("share", "box of another device"): _rule(
        "decryption", lambda r: r.entry["value"] in [member["share_box"] for member in r.s.members[1:]]
    ),
    # An altered policy may also be one that is not allowed.
    ("info", "policy altered"): _rule(
        "signature, policy", lambda r: r.flipped(16 + len(r.s.groups[0]["gid"].encode()), 1)
    ),
    ("info", "signed by a device"): _rule("signature", _by_a_device),
    ("key_packet", "of another member"): _rule("decryption", _of_another_member),
    ("key_packet", "other role"): _rule("decryption", _other_role),
    ("frame", "tag altered"): _rule("mac", lambda r: r.flipped(-1, 1)),
    ("frame", "too short"): _rule("length", lambda r: len(r.value) < 13 and r.source.startswith(r.value)),
    ("welcome", "time altered"): _rule("decryption", lambda r: r.flipped(-1, 1)),
    # The gate finds another device's certificate by it: the client id is not that device's, or else the keys do not fit.
    ("hello", "kid of another device"): _rule("name, decryption", _kid_of_another),
}


# How each is put to the implementations


def _envelope(s: Scenario, entry: Values) -> tuple[str, Values] | None:
    opening = s.opening(entry["envelope"])
    return opening and ("open", {**opening, "envelope": entry["value"]})


def _reply(s: Scenario, entry: Values) -> tuple[str, Values]:
    member = s.members[0]
    asked = {name: member[name] for name in ("flags", "r", "g")}
    return "accept", {**s.common, **asked, "id": member["id"].encode().hex(), "reply": entry["value"]}


def _share(s: Scenario, entry: Values) -> tuple[str, Values]:
    own = {"d_ca": s.content["ca"]["private"], "certificate": s.members[0]["certificate"]}
    return "open share", {**s.common, **own, "share_box": entry["value"]}


def _info(s: Scenario, entry: Values) -> tuple[str, Values]:
    group = s.groups[0]
    certs = {name: [s.members[i]["certificate"] for i in group[name]] for name in ("publishers", "subscribers")}
    return "open info", {**s.info(group), **certs, "info": entry["value"]}


def _key_packet(s: Scenario, entry: Values) -> tuple[str, Values]:
    # Opened as what it says that it is, so that a role that is not its own is left to the key to refuse.
    role = int(entry["value"][:2] or "0", 16)
    inputs = {**s.info(s.groups[0]), **s.own(entry["member"]), "role": role, "packet": entry["value"]}
    return "open key packet", inputs


def _hello(s: Scenario, entry: Values) -> tuple[str, Values]:
    session = s.content["sessions"][0]
    kid = entry["value"][2:18]
    found = next((member for member in s.members if member["kid"] == kid), s.members[session["sender"]])
    return "welcome", {**s.at_gate(session), "certificate": found["certificate"], "hello": entry["value"]}


def _welcome(s: Scenario, entry: Values) -> tuple[str, Values]:
    session = s.content["sessions"][0]
    return "finish", {**s.connect(session), "e": session["e"], "time": session["time"], "welcome": entry["value"]}


def _frame(s: Scenario, entry: Values) -> tuple[str, Values]:
    key = s.content["sessions"][0]["key_up"]
    return "open frame", {**s.common, "key": key, "topic": b"s/1".hex(), "frame": entry["value"]}


ASKED: dict[str, Callable[[Scenario, Values], tuple[str, Values] | None]] = {
    "envelope": _envelope,
    "certificate": lambda s, entry: ("certificate", {**s.common, "certificate": entry["value"]}),
    "request": lambda s, entry: ("open request", {**s.common, "request": entry["value"]}),
    "reply": _reply,
    "share": _share,
    "info": _info,
    "key_packet": _key_packet,
    "hello": _hello,
    "welcome": _welcome,
    "frame": _frame,
}


def _valid_signature(r: Rejected) -> Values:
    """Inputs of the check that an envelope of somebody else is good but for who sent it."""
    envelope = r.s.content["envelopes"][r.entry["envelope"]]
    group = r.s.groups[envelope["group"]]
    sender: Any = _sender(r)
    return {
        **r.s.common,
        "certificate": sender["certificate"],
        "label": f"m{r.value[0] & 7}".encode().hex(),
        "context": context(group["gid"], group["epoch"], envelope["topic"]).hex(),
        "message": r.value[:-64].hex(),
        "signature": r.value[-64:].hex(),
    }


def add_rejects(s: Scenario, found: Cases) -> None:
    for i, entry in enumerate(s.content["reject"]):
        kind, why = entry["kind"], entry["why"]
        row, origin = f"refuse {kind.replace('_', ' ')}", s.origin(f"reject[{i}], {why}")
        asked = ASKED[kind](s, entry) if kind in ASKED else None
        if asked is None:
            found.uncovered.append(f"{origin}: nothing here opens a {kind}")
            continue
        operation, inputs = asked
        rule = RULES.get((kind, why))
        found.cases.append(Case(row, operation, origin, inputs, refused=rule.reasons if rule else None))
        if rule is None:
            found.uncovered.append(f"{origin}: refused, but whether for this reason is not known here")
            continue
        rejected = Rejected(s, entry)
        if not _is_made(rule, rejected):
            found.problems.append((row, origin, "the value is not its source, changed as its reason says"))
        elif rule.made is _other_sender:
            found.cases.append(Case(row, "verify", origin, _valid_signature(rejected), {}))


def _is_made(rule: Rule, rejected: Rejected) -> bool:
    try:
        return rule.made(rejected)
    except (IndexError, StopIteration, ValueError, ZeroDivisionError):  # too short for its reason, or no source at all
        return False


def cases_of(file: VectorFile) -> Cases:
    """All cases of a vector file."""
    found = Cases(uncovered=[f"{file.name}: the part {part!r}" for part in file.uncovered])
    if file.is_sec4:
        found.suites.add(1)
        found.cases.extend(sec4_cases(file))
        return found
    s = Scenario(file)
    found.suites.add(s.suite)
    found.cases.extend(scenario_cases(s))
    add_rejects(s, found)
    return found
