"""The operations of operations.py done by the reference: the same inputs, outputs and names of reasons."""

from collections.abc import Callable
from typing import Any

from microseal_host.reference import envelopes, groups, identity, notices, schnorr, sessions
from microseal_host.reference.groups import PUBLISHER, SUBSCRIBER
from microseal_host.reference.receiver import Epoch, Group, Receiver
from microseal_host.reference.refusal import Refused
from microseal_host.reference.suites import SUITES, sc

Outputs = dict[str, bytes | int | str]

# The package's name for what the reference refuses, where it is another one. (reason, where) before reason alone.
_NAMES = {
    ("kind", "mode"): "mode",
    ("kind", "handshake"): "mode",
    ("kind", "frame"): "mode",
    ("kind", "flags"): "flags",
    ("kind", "role"): "role",
    ("policy", "mode"): "mode",
    ("policy", "direction"): "direction",
    ("policy", "not for this role"): "direction",
    ("policy", "size"): "size",
    ("certificate", "hello"): "hash",
    ("certificate", "not at hand"): "unknown",
    ("decryption", "frame"): "mac",
    ("replay", "frame"): "counter",
    ("replay", "state"): "stale",
    ("key", "roster"): "hash",
    "kind": "policy",
    "text": "name",
    "member": "role",
    "certificate": "expired",
}


class Inputs:
    """Typed access to the inputs of one operation."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.suite = SUITES[values["suite"]]

    def number(self, name: str) -> int:
        return self._values[name]

    def bytes(self, name: str) -> bytes:
        return bytes.fromhex(self._values[name])

    def text(self, name: str) -> str:
        return self.bytes(name).decode()

    def scalar(self, name: str) -> int:
        return self.suite.scalar(self.bytes(name), name)

    def scalars(self, name: str) -> list[int]:
        return [self.suite.scalar(data, name) for data in self.many(name)]

    def many(self, name: str) -> list[bytes]:
        return [bytes.fromhex(text) for text in self._values[name]]

    def parse(self, data: bytes) -> identity.Certificate:
        return identity.parse_certificate(self.suite, self.bytes("q_ca"), data)

    def certificate(self, name: str = "certificate") -> identity.Certificate:
        return self.parse(self.bytes(name))

    def info(self) -> groups.Info:
        signer = self.certificate("signer")
        if signer.flags != identity.SIGNER:
            raise Refused("kind", "flags")
        return groups.parse_info(self.suite, signer.public, self.bytes("info"))

    def signer(self) -> identity.Certificate:
        signer = self.certificate("signer")
        if signer.flags != identity.SIGNER:
            raise Refused("kind", "flags")
        return signer


# Sections 2 to 4


def authority(i: Inputs) -> Outputs:
    public = i.suite.public(i.scalar("private"))
    return {"public": public, "issuer": identity.issuer(i.suite, public)}


def fresh(i: Inputs) -> Outputs:
    numbers = (i.number(name) for name in ("boot", "count", "length"))
    return {"value": identity.fresh(i.suite, i.bytes("seed"), i.bytes("rand"), *numbers)}


def scalar(i: Inputs) -> Outputs:
    return {"scalar": sc(int.from_bytes(i.bytes("wide"), "big") % i.suite.curve.q)}


def request(i: Inputs) -> Outputs:
    return {"request": identity.request(i.suite, i.text("id"), i.scalar("r"), i.scalar("g"))}


def open_request(i: Inputs) -> Outputs:
    found = identity.parse_request(i.suite, i.bytes("request"))
    return {"id": found.id, "R": i.suite.pt(found.R), "Gi": i.suite.pt(found.Gi)}


def claim(i: Inputs) -> Outputs:
    return {"claimed_request": identity.claimed(i.suite, i.bytes("request"), i.bytes("claim"))}


def open_claim(i: Inputs) -> Outputs:
    return {"request": identity.open_claimed(i.suite, i.bytes("claimed_request"), i.bytes("claim")).encoded}


def issue(i: Inputs) -> Outputs:
    numbers = (i.number("flags"), i.number("not_after"), i.scalar("k"))
    issued = identity.issue(i.suite, i.scalar("d_ca"), i.bytes("request"), *numbers)
    return {"certificate": issued.cert, "reply": issued.reply, "a": sc(issued.a), "e": sc(issued.e)}


def certificate(i: Inputs) -> Outputs:
    cert = i.certificate()
    return {"id": cert.id, "flags": cert.flags, "not_after": cert.not_after, "kid": cert.kid, "public": cert.public}


def accept(i: Inputs) -> Outputs:
    share_point = i.suite.public(i.scalar("g"))
    wanted = (i.bytes("q_ca"), i.text("id"), i.number("flags"), i.scalar("r"), share_point)
    d, cert = identity.accept(i.suite, *wanted, i.bytes("reply"))
    return {"certificate": cert.encoded, "private": sc(d), "public": cert.public, "kid": cert.kid}


def share(i: Inputs) -> Outputs:
    cert, d, g = i.certificate(), i.scalar("private"), i.scalar("g")
    return {"share_box": identity.share(i.suite, i.bytes("q_ca"), cert.encoded, d, g)}


def open_share(i: Inputs) -> Outputs:
    return {"x": sc(identity.open_share(i.suite, i.scalar("d_ca"), i.certificate(), i.bytes("share_box")))}


def renewal(i: Inputs) -> Outputs:
    new = identity.request(i.suite, i.text("id"), i.scalar("r"), i.scalar("g"))
    old = i.certificate().encoded
    return {"renewal": identity.renewal(i.suite, new, old, i.scalar("private"), i.bytes("rand"))}


def open_renewal(i: Inputs) -> Outputs:
    current = (i.bytes("q_ca"), i.bytes("certificate"), i.number("now"))
    return {"request": identity.open_renewal(i.suite, i.bytes("renewal"), *current).encoded}


def sec4(i: Inputs) -> Outputs:
    suite, q = i.suite, i.suite.curve.q
    cert, r_own, k, d_ca = i.bytes("cert"), i.scalar("k_u"), i.scalar("k"), i.scalar("d_ca")
    commitment = suite.base(r_own)
    point = suite.curve.add(commitment, suite.base(k))
    e = identity.hn(suite, cert)
    r = (e * k + d_ca) % q
    d = (e * r_own + r) % q
    public = suite.curve.add(suite.curve.multiply(e, point), suite.point(i.bytes("q_ca")))
    if suite.base(d) != public:
        raise Refused("key")
    return {
        "r_u": suite.pt(commitment),
        "p_u": suite.pt(point),
        "cert": i.bytes("tbs") + suite.pt(point),
        "r": sc(r),
        "d_u": sc(d),
        "q_u": suite.public(d),
        "q_ca": suite.public(d_ca),
        "public": suite.pt(public),
    }


# Section 5


def roster(i: Inputs) -> Outputs:
    return {"roster": groups.roster(i.suite, i.many("certificates"))}


def group_keys(i: Inputs) -> Outputs:
    d_p = groups.private_key(i.suite, i.scalars("shares_p"), i.scalar("blind_p"))
    d_s = groups.private_key(i.suite, i.scalars("shares_s"), i.scalar("blind_s"))
    return {"d_p": sc(d_p), "d_s": sc(d_s)}


def info(i: Inputs) -> Outputs:
    """The sums here are of points, where the authority's code adds the shares."""
    draft = groups.Draft(
        gid=i.text("gid"),
        epoch=i.number("epoch"),
        issued=i.number("issued"),
        not_after=i.number("not_after"),
        policy=i.bytes("policy"),
        publishers=tuple(i.parse(data) for data in i.many("publishers")),
        subscribers=tuple(i.parse(data) for data in i.many("subscribers")),
        blind_p=i.scalar("blind_p"),
        blind_s=i.scalar("blind_s"),
    )
    return {"info": groups.info(i.suite, draft, i.scalar("private"), i.bytes("rand"))}


def open_info(i: Inputs) -> Outputs:
    found = i.info()
    members = ([i.parse(data) for data in i.many(name)] for name in ("publishers", "subscribers"))
    groups.check_sums(i.suite, found, *members)
    encoded = i.bytes("info")
    start = 16 + len(found.gid)
    policy = encoded[start : start + int.from_bytes(encoded[start - 2 : start], "big")]
    return {
        "gid": found.gid,
        "epoch": found.epoch,
        "issued": found.issued,
        "not_after": found.not_after,
        "policy": policy,
    }


def key_packet(i: Inputs) -> Outputs:
    to = (i.number("epoch"), i.number("role"), i.certificate())
    return {"packet": groups.key_packet(i.suite, i.bytes("info"), *to, i.scalar("private"), i.scalar("u"))}


def open_packet(i: Inputs) -> Outputs:
    own = (i.certificate().encoded, i.scalar("private"))
    return {"key": sc(groups.open_key_packet(i.suite, i.info(), i.number("role"), *own, i.bytes("packet")))}


def rekey(i: Inputs) -> Outputs:
    to = (i.text("gid"), i.number("epoch"), i.number("role"))
    return {"packet": groups.rekey(i.suite, i.bytes("info"), *to, i.scalar("old"), i.scalar("new"))}


def open_broadcast(i: Inputs) -> Outputs:
    return {"key": sc(groups.open_rekey(i.suite, i.info(), i.number("role"), i.scalar("old"), i.bytes("packet")))}


def ask(i: Inputs) -> Outputs:
    asked = (i.text("gid"), i.number("held"), i.number("time"))
    return {"ask": groups.ask(i.suite, *asked, i.scalar("private"), i.bytes("rand"))}


def open_ask(i: Inputs) -> Outputs:
    found = groups.open_ask(i.suite, i.certificate(), i.bytes("ask"), i.number("now"))
    return {"gid": found.gid, "held": found.held, "time": found.time}


def signed_time(i: Inputs) -> Outputs:
    i.signer()
    t = i.number("time")
    return {"signed": notices.signed_time(i.suite, i.bytes("challenge"), t, i.scalar("private"), i.bytes("rand"))}


def open_time(i: Inputs) -> Outputs:
    signer = i.signer()
    given = (i.bytes("challenge"), i.bytes("signed"))
    return {"time": notices.open_time(i.suite, signer.public, signer.not_after, *given)}


def revoked(i: Inputs) -> Outputs:
    i.signer()
    kids = i.many("kids")
    return {"list": notices.revoked(i.suite, i.number("issued"), kids, i.scalar("private"), i.bytes("rand"))}


def open_revoked(i: Inputs) -> Outputs:
    issued, kids = notices.open_revoked(i.suite, i.signer().public, i.bytes("list"))
    return {"issued": issued, "kids": b"".join(kids)}


# Section 6


def seal(i: Inputs) -> Outputs:
    mode, direction, rand = i.number("mode"), i.number("direction"), i.bytes("rand")
    own = (i.scalar("private"), i.certificate().kid)
    out = envelopes.Outgoing(i.info(), direction, i.text("topic"), i.number("time"), *own, i.bytes("message"))
    if mode == 1:
        return {"envelope": envelopes.seal_signed(i.suite, out, i.bytes("nonce"), rand)}
    if mode == 2:
        return {"envelope": envelopes.seal_secret(i.suite, out, i.bytes("nonce"), rand)}
    keys = (i.scalar("z"), i.scalar("group_key"))
    return {"envelope": envelopes.seal_anonymous(i.suite, out, *keys, rand, i.bytes("rand_group"))}


def _epoch(i: Inputs, me: identity.Certificate) -> Epoch:
    """What `me` holds of the epoch: a subscriber d_P and the publishers' roster, a publisher d_S and the subscribers'."""
    found, keys, rosters = i.info(), {}, {}
    lists = {PUBLISHER: i.bytes("roster_p"), SUBSCRIBER: i.bytes("roster_s")}
    for role, name, other in ((PUBLISHER, "d_s", SUBSCRIBER), (SUBSCRIBER, "d_p", PUBLISHER)):
        if me.hash in groups.parse_roster(lists[role]):
            keys[other] = i.scalar(name)
            rosters[other] = lists[other]
    return Epoch.held(i.suite, found, keys, rosters)


def open_envelope(i: Inputs) -> Outputs:
    me = i.certificate()
    epoch = _epoch(i, me)
    certs = {identity.kid(i.suite, cert): cert for cert in i.many("senders")}
    receiver = Receiver(i.suite, i.bytes("q_ca"), [Group(epoch)], certs)
    data = i.bytes("envelope")
    found = receiver.open(i.text("topic"), data, i.number("now"))
    return {
        "message": found.message,
        "sender": i.parse(certs[found.kid]).id,
        "kid": found.kid,
        "gid": epoch.info.gid,
        "mode": found.mode,
        "direction": data[0] >> 3 & 1,
        "time": found.time,
        "stale": int(found.stale),
    }


def verify(i: Inputs) -> Outputs:
    label = i.bytes("label").decode("ascii")
    signed = (label, i.bytes("context"), i.bytes("message"))
    if not schnorr.verify(i.suite, i.certificate().public, *signed, i.bytes("signature")):
        raise Refused("signature")
    return {}


# Section 7


def _connect(i: Inputs) -> sessions.Connect:
    said = (i.number("connect_flags"), i.number("keep_alive"), i.text("will_topic"), i.bytes("will"))
    return sessions.Connect(i.text("client"), *said, i.certificate(), i.certificate("gate"))


def _session(session: sessions.Session) -> Outputs:
    return {"key_up": session.key_up, "key_down": session.key_down, "handshake_hash": session.hash}


def hello(i: Inputs) -> Outputs:
    device = sessions.Device(i.suite, _connect(i), i.scalar("private"), i.scalar("e"))
    return {"hello": device.hello(i.number("time"))}


def finish(i: Inputs) -> Outputs:
    device = sessions.Device(i.suite, _connect(i), i.scalar("private"), i.scalar("e"))
    device.hello(i.number("time"))
    session, t = device.finish(i.bytes("welcome"))
    return {**_session(session), "gate_time": t}


def welcome(i: Inputs) -> Outputs:
    gate = sessions.Gate(i.suite, i.scalar("gate_private"))
    answer, session, t = gate.answer(_connect(i), i.bytes("hello"), i.number("now"), i.scalar("e_gate"))
    return {**_session(session), "welcome": answer, "time": t}


def frame(i: Inputs) -> Outputs:
    sent = (i.number("counter"), i.text("topic"), i.bytes("message"))
    return {"frame": sessions.frame(i.suite, i.bytes("key"), *sent)}


def open_frame(i: Inputs) -> Outputs:
    counter, message = sessions.open_frame(i.suite, i.bytes("key"), -1, i.text("topic"), i.bytes("frame"))
    return {"message": message, "counter": counter}


OPERATIONS: dict[str, Callable[[Inputs], Outputs]] = {
    "authority": authority,
    "fresh": fresh,
    "scalar": scalar,
    "request": request,
    "open request": open_request,
    "claim": claim,
    "open claim": open_claim,
    "issue": issue,
    "certificate": certificate,
    "accept": accept,
    "share": share,
    "open share": open_share,
    "renewal": renewal,
    "open renewal": open_renewal,
    "sec4": sec4,
    "roster": roster,
    "group keys": group_keys,
    "info": info,
    "open info": open_info,
    "key packet": key_packet,
    "open key packet": open_packet,
    "rekey": rekey,
    "open rekey": open_broadcast,
    "ask": ask,
    "open ask": open_ask,
    "time": signed_time,
    "open time": open_time,
    "revoked": revoked,
    "open revoked": open_revoked,
    "seal": seal,
    "open": open_envelope,
    "verify": verify,
    "hello": hello,
    "finish": finish,
    "welcome": welcome,
    "frame": frame,
    "open frame": open_frame,
}


def _name(refused: Refused) -> str:
    found = _NAMES.get((refused.reason, refused.where)) or _NAMES.get(refused.reason, refused.reason)
    return f"inner {found}" if refused.inner else found


def _encoded(value: bytes | int | str) -> str | int:
    if isinstance(value, int):
        return value
    return (value.encode() if isinstance(value, str) else value).hex()


def run(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The outcome of operation `name` on `values`, as in operations.py."""
    try:
        outputs = OPERATIONS[name](Inputs(values))
    except Refused as refused:
        return {"refused": _name(refused)}
    except Exception as error:  # whatever it is, it is a disagreement and is to be shown
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": {key: _encoded(value) for key, value in outputs.items()}}
