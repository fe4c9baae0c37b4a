"""What the cross-check asks of an implementation, done by the protocol package on the core in use.

One source for CPython (on any backend) and MicroPython (on the native module). An operation takes a dict and gives a dict: numbers as
they are, all else as hexadecimal digits, ids and topics in UTF-8 too. `run` gives {"ok": outputs}, {"refused": reason}, or {"error":
text} for what must not happen at all.
"""
# MicroPython has no exception chaining, and says so at each `from`:
# ruff: noqa: B904

from microseal import crypto, errors
from microseal.clock import TimeRequest
from microseal.entropy import Entropy
from microseal.envelope import seal
from microseal.epoch import Epoch, sender_role
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, make_ask, open_key_packet, open_rekey
from microseal.groups import Groups
from microseal.identity import (
    Anchor,
    Certificate,
    Identity,
    Request,
    Signer,
    accept_reply,
    claim_request,
    make_request,
    make_share,
    renew_request,
)
from microseal.inbox import Inbox, MissingCertificate
from microseal.replay import Replay
from microseal.revocation import Revoked
from microseal.senders import Senders
from microseal.session import Connect, Gate, Hello, Initiator, Session
from microseal_host import issuing
from microseal_host.crosscheck.tracing import Trace

_LIMIT = 1024  # members that the receiver of a case has room for


class Inputs:
    """Typed access to the inputs of one operation."""

    def __init__(self, values):
        self._values = values
        self.suite = values["suite"]

    def number(self, name):
        return self._values[name]

    def bytes(self, name):
        return bytes.fromhex(self._values[name])

    def many(self, name):
        return [bytes.fromhex(text) for text in self._values[name]]

    def anchor(self):
        return Anchor(self.suite, self.bytes("q_ca"))

    def certificate(self, name="certificate"):
        """A certificate of this authority, whatever its use."""
        cert = Certificate(self.bytes(name))
        return self.anchor().check(cert, cert.flags, None)

    def identity(self, name="certificate", private="private"):
        return Identity(self.anchor(), self.certificate(name), self.bytes(private))

    def signer(self):
        return Signer(self.anchor(), self.bytes("signer"))

    def info(self):
        return Info(self.suite, self.bytes("info"), self.signer())

    def connect(self):
        return Connect(
            self.bytes("client"),
            self.number("connect_flags"),
            self.number("keep_alive"),
            self.bytes("will_topic"),
            self.bytes("will"),
        )


def _refine(suite, signature, refused):
    """A signature whose s is no scalar, told apart from one that does not verify."""
    if refused.reason == errors.SIGNATURE and not crypto.core.is_scalar(suite, signature[-32:]):
        return Refused("scalar")
    return refused


# Sections 2 to 4


def authority(i):
    public = crypto.core.base_mul(i.suite, i.bytes("private"))
    return {"public": public, "issuer": Anchor(i.suite, public).issuer}


def fresh(i):
    rand = i.bytes("rand")
    entropy = Entropy(i.suite, i.bytes("seed"), i.number("boot"), lambda n: rand)
    entropy._count = i.number("count")
    return {"value": entropy.fresh(i.number("length"))}


def scalar(i):
    return {"scalar": crypto.core.scalar_reduce(i.suite, i.bytes("wide"))}


def request(i):
    return {"request": make_request(i.suite, i.bytes("id"), i.bytes("r"), i.bytes("g"))}


def open_request(i):
    found = Request(i.bytes("request"))
    if found.suite != i.suite:
        raise Refused(errors.SUITE)
    if found.proof:
        raise Refused(errors.LENGTH)
    return {"id": found.id, "R": found.commitment, "Gi": found.share_point}


def claim(i):
    return {"claimed_request": claim_request(i.suite, i.bytes("request"), i.bytes("claim"))}


def open_claim(i):
    found = Request(i.bytes("claimed_request"))
    issuing.check_claim(found, i.bytes("claim"))
    return {"request": found.raw}


def issue(i):
    anchor = i.anchor()
    wanted = Request(i.bytes("request"))
    cert, reply = issuing.issue(anchor, i.bytes("d_ca"), wanted, i.bytes("k"), i.number("flags"), i.number("not_after"))
    hashed = crypto.core.hash(i.suite, cert)
    e = (int.from_bytes(hashed, "big") >> 1).to_bytes(32, "big")
    return {"certificate": cert, "reply": reply, "a": reply[-32:], "e": e}


def certificate(i):
    cert = i.certificate()
    public = i.anchor().public_key(cert)
    return {"id": cert.id, "flags": cert.flags, "not_after": cert.not_after, "kid": cert.kid, "public": public}


def accept(i):
    share_point = crypto.core.base_mul(i.suite, i.bytes("g"))
    reply = i.bytes("reply")
    try:
        me = accept_reply(i.anchor(), reply, i.bytes("id"), i.bytes("r"), share_point, i.number("flags"))
    except Refused as refused:
        if refused.reason == errors.KEY and not crypto.core.is_scalar(i.suite, reply[-32:]):
            raise Refused("scalar")
        raise
    return {"certificate": me.cert.raw, "private": me.private, "public": me.public, "kid": me.kid}


def share(i):
    return {"share_box": make_share(i.identity(), i.bytes("g"))}


def open_share(i):
    return {"x": issuing.open_share(i.anchor(), i.bytes("d_ca"), i.certificate(), i.bytes("share_box"))}


def renewal(i):
    new = make_request(i.suite, i.bytes("id"), i.bytes("r"), i.bytes("g"))
    return {"renewal": renew_request(i.identity(), new, i.bytes("rand"))}


def open_renewal(i):
    found = Request(i.bytes("renewal"))
    issuing.check_renewal(i.anchor(), found, i.certificate(), i.number("now"))
    return {"request": found.raw}


def sec4(i):
    """ECQV alone, as SEC 4 has it: the certificate is any bytes, here tbs and then the point."""
    core, suite = crypto.core, i.suite
    cert, q_ca = i.bytes("cert"), i.bytes("q_ca")
    commitment = core.base_mul(suite, i.bytes("k_u"))
    point = core.mul_add(suite, i.bytes("k"), None, commitment)
    r = core.ecqv_issue(suite, cert, i.bytes("k"), i.bytes("d_ca"))
    private, public = core.ecqv_accept(suite, cert, point, q_ca, i.bytes("k_u"), r)
    return {
        "r_u": commitment,
        "p_u": point,
        "cert": i.bytes("tbs") + point,
        "r": r,
        "d_u": private,
        "q_u": public,
        "q_ca": core.base_mul(suite, i.bytes("d_ca")),
        "public": core.ecqv_public(suite, cert, point, q_ca),
    }


# Section 5


def roster(i):
    return {"roster": issuing.make_roster([Certificate(raw).hash for raw in i.many("certificates")])}


def group_keys(i):
    keys = issuing.make_keys(i.suite, i.many("shares_p"), i.many("shares_s"), i.bytes("blind_p"), i.bytes("blind_s"))
    return {"d_p": keys.private[SUBSCRIBER], "d_s": keys.private[PUBLISHER]}


def info(i):
    keys = issuing.make_keys(i.suite, i.many("shares_p"), i.many("shares_s"), i.bytes("blind_p"), i.bytes("blind_s"))
    made = issuing.make_info(
        i.identity("signer"),
        i.bytes("gid"),
        i.number("epoch"),
        i.number("issued"),
        i.number("not_after"),
        i.bytes("policy"),
        keys,
        i.bytes("roster_p"),
        i.bytes("roster_s"),
        i.bytes("rand"),
    )
    return {"info": made}


def open_info(i):
    try:
        found = i.info()
    except Refused as refused:
        raise _refine(i.suite, i.bytes("info"), refused)
    issuing.check_sums(
        i.anchor(),
        found,
        [Certificate(raw) for raw in i.many("publishers")],
        [Certificate(raw) for raw in i.many("subscribers")],
    )
    return {
        "gid": found.gid,
        "epoch": found.epoch,
        "issued": found.issued,
        "not_after": found.not_after,
        "policy": found.policy.encode(),
    }


def key_packet(i):
    me = i.certificate()
    public = i.anchor().public_key(me)
    hashed = crypto.core.hash(i.suite, i.bytes("info"))
    private, u = i.bytes("private"), i.bytes("u")
    packet = issuing.make_key_packet(i.suite, me.kid, public, i.number("role"), i.number("epoch"), hashed, private, u)
    return {"packet": packet}


def open_packet(i):
    return {"key": open_key_packet(i.identity(), i.info(), i.bytes("packet"), i.number("role"))}


def rekey(i):
    hashed = crypto.core.hash(i.suite, i.bytes("info"))
    gid, role, epoch = i.bytes("gid"), i.number("role"), i.number("epoch")
    return {"packet": issuing.make_rekey(i.suite, gid, role, epoch, hashed, i.bytes("old"), i.bytes("new"))}


def open_broadcast(i):
    return {"key": open_rekey(i.info(), i.bytes("packet"), i.number("role"), i.bytes("old"))}


def ask(i):
    return {"ask": make_ask(i.identity(), i.bytes("gid"), i.number("held"), i.number("time"), i.bytes("rand"))}


def open_ask(i):
    gid, held, t = issuing.verify_ask(i.anchor(), i.certificate(), i.bytes("ask"), i.number("now"), None)
    return {"gid": gid, "held": held, "time": t}


def signed_time(i):
    signed = issuing.sign_time(i.identity("signer"), i.bytes("challenge"), i.number("time"), i.bytes("rand"))
    return {"signed": signed}


def open_time(i):
    return {"time": TimeRequest(i.bytes("challenge"), 0).accept(i.signer(), i.bytes("signed"), 0)}


def revoked(i):
    return {"list": issuing.make_revoked(i.identity("signer"), i.number("issued"), i.many("kids"), i.bytes("rand"))}


def open_revoked(i):
    found = Revoked(i.signer(), i.bytes("list"))
    return {"issued": found.issued, "kids": found.kids}


# Section 6


class _Given:
    """Stands in for Entropy with the values of a case, in the order in which sealing draws them."""

    def __init__(self, z, rand):
        self._z = z
        self._rand = rand

    def scalar(self):
        return self._z

    def fresh(self, n):
        value, self._rand = self._rand[0], self._rand[1:]
        return value


def seal_envelope(i):
    me, found = i.identity(), i.info()
    mode, direction = i.number("mode"), i.number("direction")
    keys, nonce, z, rand = {}, None, None, [i.bytes("rand")]
    if mode == 3:
        keys[sender_role(direction)] = i.bytes("group_key")
        z = i.bytes("z")
        rand.append(i.bytes("rand_group"))
    else:
        nonce = i.bytes("nonce")
    epoch = Epoch(found, keys, {}, 1)
    topic, message = i.bytes("topic"), i.bytes("message")
    return {"envelope": seal(epoch, me, direction, mode, topic, i.number("time"), message, nonce, _Given(z, rand))}


class _Memory:
    """A store of records that ends with the case."""

    def __init__(self):
        self._records = {}

    def load(self, name):
        return self._records.get(name)

    def save(self, name, content):
        self._records[name] = content


def _member(i, me):
    """A member as it is after it has taken info, rosters and key packets off their topics: (Groups, the group)."""
    gid, now = i.bytes("gid"), i.number("now")
    groups = Groups([me], _Memory(), 1, _LIMIT)
    group = groups.get(gid)
    group.offer_info(i.signer(), i.bytes("info"))
    for role, name in ((PUBLISHER, "roster_p"), (SUBSCRIBER, "roster_s")):
        reader = group.roster_reader(role)
        data = i.bytes(name)
        for at in range(0, len(data), 50):
            reader.write(data[at : at + 50])
        reader.close()
        group.offer_roster(group.pending, role, reader)
    one = bytes(31) + b"\x01"
    for role, name in ((PUBLISHER, "d_s"), (SUBSCRIBER, "d_p")):
        pending = group.pending
        packet = issuing.make_key_packet(
            i.suite, me.kid, me.public, role, pending.epoch, pending.hash, i.bytes(name), one
        )
        group.offer_packet(me, role, packet)
    if not groups.switch(group, now):
        raise ValueError("the member does not switch to the epoch")
    return groups, group


def open_envelope(i):
    me = i.identity()
    now, raw = i.number("now"), i.bytes("envelope")
    groups, group = _member(i, me)
    senders = Senders(i.anchor(), _LIMIT)
    lacking = {}
    for raw_cert in i.many("senders"):
        kid = Certificate(raw_cert).kid
        try:
            senders.add(kid, raw_cert, now)
        except Refused as refused:
            lacking[kid] = refused.reason
    inbox = Inbox(groups, senders, Replay(_LIMIT), lambda kid: False, lambda t, now: None)
    inbox.started = 0
    trace = Trace(crypto.core, group, senders)
    crypto.use(trace)
    try:
        message = inbox.open(i.bytes("topic"), raw, now)
    except Refused as refused:
        if refused.reason == errors.INNER:
            raise Refused("inner " + trace.inner_cause())
        raise _refine(i.suite, raw, refused)
    except MissingCertificate as missing:
        reason = lacking.get(missing.kid, errors.UNKNOWN)
        raise Refused("inner " + reason if missing.anonymous else reason)
    finally:
        crypto.use(trace.core)
    return {
        "message": message.payload,
        "sender": message.sender,
        "kid": message.kid,
        "gid": message.gid,
        "mode": message.mode,
        "direction": message.direction,
        "time": message.t,
        "stale": int(message.stale),
    }


def verify(i):
    """A signature by itself: for what is refused although its signature is good."""
    public = i.anchor().public_key(i.certificate())
    label, context, message = i.bytes("label"), i.bytes("context"), i.bytes("message")
    if not crypto.core.verify(i.suite, public, label, context, message, i.bytes("signature")):
        raise Refused(errors.SIGNATURE)
    return {}


# Section 7


def _session(session, up, down):
    return {"key_up": up, "key_down": down, "handshake_hash": session.hash}


def hello(i):
    initiator = Initiator(i.identity(), i.certificate("gate"), i.connect(), i.bytes("e"))
    return {"hello": initiator.hello(i.number("time"))}


def finish(i):
    initiator = Initiator(i.identity(), i.certificate("gate"), i.connect(), i.bytes("e"))
    initiator.hello(i.number("time"))
    session, t = initiator.finish(i.bytes("welcome"))
    outputs = _session(session, session._send, session._receive)
    outputs["gate_time"] = t
    return outputs


def welcome(i):
    gate = Gate(i.identity("gate", "gate_private"), 0)
    found = Hello(i.suite, i.bytes("hello"))
    answer, session, t = gate.answer(found, i.certificate(), i.connect(), i.number("now"), i.bytes("e_gate"))
    outputs = _session(session, session._receive, session._send)
    outputs["welcome"], outputs["time"] = answer, t
    return outputs


def frame(i):
    session = Session(i.suite, b"", i.bytes("key"), b"", b"")
    session._next = i.number("counter")
    return {"frame": session.frame(i.bytes("topic"), i.bytes("message"))}


def open_frame(i):
    session = Session(i.suite, b"", b"", i.bytes("key"), b"")
    message = session.open(i.bytes("topic"), i.bytes("frame"))
    return {"message": message, "counter": session._last}


OPERATIONS = {
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
    "seal": seal_envelope,
    "open": open_envelope,
    "verify": verify,
    "hello": hello,
    "finish": finish,
    "welcome": welcome,
    "frame": frame,
    "open frame": open_frame,
}


def run(name, values):
    """The outcome of operation `name` on `values`."""
    try:
        outputs = OPERATIONS[name](Inputs(values))
    except Refused as refused:
        return {"refused": refused.reason}
    except Exception as error:  # whatever it is, it is a disagreement and is to be shown
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": {key: value if isinstance(value, int) else bytes(value).hex() for key, value in outputs.items()}}
