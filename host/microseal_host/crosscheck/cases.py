"""Makes the cases out of a vector file: what each implementation is asked, and what has to come out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from microseal_host.reference.suites import SUITES

from .vectors import VectorFile

Values = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One question to every backend. `expected`: outputs that must be so; `refused`: the reasons of which one must be named.

    With both None, nothing but a refusal is right, whatever its reason. What `expected` leaves out must still be the same
    on every backend. `row` is the line of the table that counts it, `origin` says where it comes from.
    """

    row: str
    operation: str
    origin: str
    inputs: Values
    expected: Values | None = None
    refused: frozenset[str] | None = None


@dataclass
class Cases:
    """`problems`: (row, origin, what is wrong) where the file contradicts itself; `uncovered`: what is not looked at."""

    suites: set[int] = field(default_factory=set)
    cases: list[Case] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)


def utf8(text: str) -> str:
    """Text as operations take it."""
    return text.encode().hex()


class Scenario:
    """A vector file of one suite, with what several cases need of it."""

    def __init__(self, file: VectorFile) -> None:
        self.name = file.name
        self.content = file.content
        self.suite: int = file.content["suite"]
        self.members: list[Values] = file.content["ecqv"]
        self.groups: list[Values] = file.content["groups"]
        ca = file.content["ca"]
        self.common: Values = {"suite": self.suite, "q_ca": ca["public"]}
        self.signer = self.members[ca["signer"]]
        self.devices = [member for member in self.members if member["flags"] == 0]

    def origin(self, where: str) -> str:
        return f"{self.name}: {where}"

    def share(self, index: int) -> str:
        """x = d + g mod q, what the member's box carries."""
        member = self.members[index]
        return f"{(int(member['private'], 16) + int(member['g'], 16)) % SUITES[self.suite].curve.q:064x}"

    def signed_by_authority(self, **more: Any) -> Values:
        """Inputs of what the signer makes or made."""
        signer = self.signer
        return {**self.common, "signer": signer["certificate"], "private": signer["private"], **more}

    def info(self, group: Values) -> Values:
        """Inputs for which the info of a group is opened first."""
        return {**self.common, "signer": self.signer["certificate"], "info": group["info"]}

    def own(self, index: int) -> Values:
        member = self.members[index]
        return {"certificate": member["certificate"], "private": member["private"]}

    def opening(self, index: int) -> Values | None:
        """The inputs of opening envelopes[index], but for the envelope itself; None if nobody is there to receive it."""
        envelope = self.content["envelopes"][index]
        group = self.groups[envelope["group"]]
        receivers = group["publishers" if envelope["direction"] else "subscribers"]
        if not receivers:
            return None
        # Another one than the sender, where there is one.
        receiver = next((r for r in receivers if r != envelope["sender"]), receivers[0])
        return {
            **self.info(group),
            **self.own(receiver),
            "gid": utf8(group["gid"]),
            **{name: group[name] for name in ("roster_p", "roster_s", "d_p", "d_s")},
            "senders": [member["certificate"] for member in self.devices],
            "topic": utf8(envelope["topic"]),
            "now": envelope["time"],
        }

    def connect(self, session: Values) -> Values:
        return {
            **self.common,
            **self.own(session["sender"]),
            "gate": self.members[session["gate"]]["certificate"],
            "client": utf8(session["client"]),
            **{name: session[name] for name in ("connect_flags", "keep_alive", "will")},
            "will_topic": utf8(session["will_topic"]),
        }

    def at_gate(self, session: Values) -> Values:
        gate = self.members[session["gate"]]
        return {
            **self.connect(session),
            "gate_private": gate["private"],
            "now": session["gate_time"],
            "e_gate": session["e_gate"],
        }


def scenario_cases(s: Scenario) -> Iterator[Case]:
    """Every output from its inputs, and everything that can be opened."""
    yield from _authority_and_random(s)
    for index in range(len(s.members)):
        yield from _enrolment(s, index)
    yield from _renewal(s)
    for index in range(len(s.groups)):
        yield from _group(s, index)
    yield from _notices(s)
    for index in range(len(s.content["envelopes"])):
        yield from _envelope(s, index)
    for index in range(len(s.content["sessions"])):
        yield from _session(s, index)


def _pick(values: Values, *names: str) -> Values:
    return {name: values[name] for name in names}


def _authority_and_random(s: Scenario) -> Iterator[Case]:
    ca = s.content["ca"]
    inputs = {**s.common, "private": ca["private"]}
    yield Case("authority key", "authority", s.origin("ca"), inputs, _pick(ca, "public", "issuer"))
    for i, entry in enumerate(s.content["fresh"]):
        inputs = {**s.common, **_pick(entry, "seed", "rand", "boot", "count", "length")}
        yield Case("fresh", "fresh", s.origin(f"fresh[{i}]"), inputs, _pick(entry, "value"))
        # How a device makes a scalar of it, whatever its length here.
        wide = entry["value"][:128]
        expected = {"scalar": f"{int(wide, 16) % SUITES[s.suite].curve.q:064x}"}
        yield Case("scalar", "scalar", s.origin(f"fresh[{i}]"), {**s.common, "wide": wide}, expected)


def _enrolment(s: Scenario, index: int) -> Iterator[Case]:
    member, origin = s.members[index], s.origin(f"ecqv[{index}]")
    d_ca = s.content["ca"]["private"]
    id = utf8(member["id"])

    def case(operation: str, inputs: Values, expected: Values) -> Case:
        return Case(operation, operation, origin, {**s.common, **inputs}, expected)

    yield case("request", {"id": id, **_pick(member, "r", "g")}, _pick(member, "request"))
    yield case("open request", _pick(member, "request"), {"id": id})
    yield case("claim", _pick(member, "request", "claim"), _pick(member, "claimed_request"))
    yield case("open claim", _pick(member, "claimed_request", "claim"), _pick(member, "request"))
    yield case(
        "issue",
        {"d_ca": d_ca, **_pick(member, "request", "k", "flags", "not_after")},
        _pick(member, "certificate", "reply", "a", "e"),
    )
    yield case(
        "certificate",
        _pick(member, "certificate"),
        {"id": id, **_pick(member, "flags", "not_after", "kid", "public")},
    )
    yield case(
        "accept",
        {"id": id, **_pick(member, "flags", "r", "g", "reply")},
        _pick(member, "certificate", "private", "public", "kid"),
    )
    yield case("share", _pick(member, "certificate", "private", "g"), _pick(member, "share_box"))
    yield case("open share", {"d_ca": d_ca, **_pick(member, "certificate", "share_box")}, {"x": s.share(index)})


def _renewal(s: Scenario) -> Iterator[Case]:
    entry = s.content["renewal"]
    origin, device = s.origin("renewal"), s.members[entry["device"]]
    old = {**s.common, **s.own(entry["device"])}
    inputs = {**old, "id": utf8(device["id"]), **_pick(entry, "r", "g", "rand")}
    yield Case("renewal", "renewal", origin, inputs, _pick(entry, "renewal"))
    # While the certificate that is renewed is in force.
    inputs = {**old, **_pick(entry, "renewal"), "now": device["not_after"]}
    yield Case("open renewal", "open renewal", origin, inputs, {"request": entry["renewal"][:-144]})


def _group(s: Scenario, index: int) -> Iterator[Case]:
    group, origin = s.groups[index], s.origin(f"groups[{index}]")
    publishers = [s.members[i]["certificate"] for i in group["publishers"]]
    subscribers = [s.members[i]["certificate"] for i in group["subscribers"]]
    for name, certs in (("roster_p", publishers), ("roster_s", subscribers)):
        yield Case("roster", "roster", origin, {**s.common, "certificates": certs}, {"roster": group[name]})
    shares = {
        "shares_p": [s.share(i) for i in group["publishers"]],
        "shares_s": [s.share(i) for i in group["subscribers"]],
        **_pick(group, "blind_p", "blind_s"),
    }
    yield Case("group keys", "group keys", origin, {**s.common, **shares}, _pick(group, "d_p", "d_s"))
    inputs = s.signed_by_authority(
        **shares,
        publishers=publishers,
        subscribers=subscribers,
        gid=utf8(group["gid"]),
        **_pick(group, "epoch", "issued", "not_after", "policy", "roster_p", "roster_s", "rand"),
    )
    yield Case("info", "info", origin, inputs, _pick(group, "info"))
    inputs = {**s.info(group), "publishers": publishers, "subscribers": subscribers}
    expected = {"gid": utf8(group["gid"]), **_pick(group, "epoch", "issued", "not_after", "policy")}
    yield Case("open info", "open info", origin, inputs, expected)
    yield from _keys(s, index)
    for i, entry in enumerate(group["asks"]):
        where = f"{origin}.asks[{i}]"
        asked = {"gid": utf8(group["gid"]), **_pick(entry, "held", "time")}
        own = {**s.common, **s.own(entry["member"])}
        yield Case("ask", "ask", where, {**own, **asked, **_pick(entry, "rand")}, _pick(entry, "ask"))
        yield Case("open ask", "open ask", where, {**own, **_pick(entry, "ask"), "now": entry["time"]}, asked)


def group_key(group: Values, role: int) -> str:
    """What members of a role are given: a publisher (1) d_S, a subscriber (2) d_P."""
    return group["d_s" if role == 1 else "d_p"]


def _keys(s: Scenario, index: int) -> Iterator[Case]:
    group = s.groups[index]
    for i, entry in enumerate(group["key_packets"]):
        where, key = s.origin(f"groups[{index}].key_packets[{i}]"), group_key(group, entry["role"])
        cert = {"certificate": s.members[entry["member"]]["certificate"]}
        to = {"epoch": group["epoch"], **_pick(entry, "role", "u")}
        inputs = {**s.info(group), **cert, **to, "private": key}
        yield Case("key packet", "key packet", where, inputs, _pick(entry, "packet"))
        inputs = {**s.info(group), **s.own(entry["member"]), **_pick(entry, "role", "packet")}
        yield Case("open key packet", "open key packet", where, inputs, {"key": key})
    for i, entry in enumerate(group["rekeys"]):
        where, key = s.origin(f"groups[{index}].rekeys[{i}]"), group_key(group, entry["role"])
        to = {"gid": utf8(group["gid"]), "epoch": group["epoch"], **_pick(entry, "role", "old")}
        yield Case("rekey", "rekey", where, {**s.info(group), **to, "new": key}, _pick(entry, "packet"))
        inputs = {**s.info(group), **_pick(entry, "role", "old", "packet")}
        yield Case("open rekey", "open rekey", where, inputs, {"key": key})


def _notices(s: Scenario) -> Iterator[Case]:
    entry = s.content["time"]
    inputs = s.signed_by_authority(**_pick(entry, "challenge", "time", "rand"))
    yield Case("time", "time", s.origin("time"), inputs, _pick(entry, "signed"))
    inputs = s.signed_by_authority(**_pick(entry, "challenge", "signed"))
    yield Case("open time", "open time", s.origin("time"), inputs, _pick(entry, "time"))
    entry = s.content["revoked"]
    kids = [s.members[i]["kid"] for i in entry["members"]]
    inputs = s.signed_by_authority(kids=kids, **_pick(entry, "issued", "rand"))
    yield Case("revoked", "revoked", s.origin("revoked"), inputs, _pick(entry, "list"))
    inputs = s.signed_by_authority(**_pick(entry, "list"))
    expected = {"kids": "".join(sorted(set(kids))), **_pick(entry, "issued")}
    yield Case("open revoked", "open revoked", s.origin("revoked"), inputs, expected)


def _envelope(s: Scenario, index: int) -> Iterator[Case]:
    entry, origin = s.content["envelopes"][index], s.origin(f"envelopes[{index}]")
    group, mode = s.groups[entry["group"]], entry["mode"]
    sealed = {"topic": utf8(entry["topic"]), **_pick(entry, "mode", "direction", "time", "message", "rand")}
    if mode == 3:
        sealed["group_key"] = group_key(group, entry["direction"] + 1)
        sealed.update(_pick(entry, "z", "rand_group"))
    else:
        sealed.update(_pick(entry, "nonce"))
    inputs = {**s.info(group), **s.own(entry["sender"]), **sealed}
    yield Case(f"seal mode {mode}", "seal", origin, inputs, _pick(entry, "envelope"))
    opening = s.opening(index)
    if opening is not None:
        sender = s.members[entry["sender"]]
        expected = {
            "message": entry["message"],
            "sender": utf8(sender["id"]),
            "kid": sender["kid"],
            "gid": utf8(group["gid"]),
            **_pick(entry, "mode", "direction", "time"),
            "stale": 0,
        }
        yield Case(f"open mode {mode}", "open", origin, {**opening, **_pick(entry, "envelope")}, expected)


def _session(s: Scenario, index: int) -> Iterator[Case]:
    entry, origin = s.content["sessions"][index], s.origin(f"sessions[{index}]")
    device = {**s.connect(entry), **_pick(entry, "e", "time")}
    keys = _pick(entry, "key_up", "key_down", "handshake_hash")
    yield Case("hello", "hello", origin, device, _pick(entry, "hello"))
    inputs = {**s.at_gate(entry), **_pick(entry, "hello")}
    yield Case("welcome", "welcome", origin, inputs, {**keys, **_pick(entry, "welcome", "time")})
    inputs = {**device, **_pick(entry, "welcome")}
    yield Case("finish", "finish", origin, inputs, {**keys, **_pick(entry, "gate_time")})
    for i, sent in enumerate(entry["frames"]):
        where = f"{origin}.frames[{i}]"
        inputs = {**s.common, "key": entry[f"key_{sent['way']}"], "topic": utf8(sent["topic"])}
        made = _pick(sent, "counter", "message")
        yield Case("frame", "frame", where, {**inputs, **made}, _pick(sent, "frame"))
        yield Case("open frame", "open frame", where, {**inputs, **_pick(sent, "frame")}, made)


def sec4_cases(file: VectorFile) -> Iterator[Case]:
    for i, entry in enumerate(file.content["vectors"]):
        inputs = {"suite": 1, **_pick(entry, "tbs", "k_u", "d_ca", "q_ca", "k", "cert")}
        expected = {**_pick(entry, "r_u", "p_u", "cert", "r", "d_u", "q_u", "q_ca"), "public": entry["q_u"]}
        yield Case("ECQV of SEC 4", "sec4", f"{file.name}: vectors[{i}]", inputs, expected)
