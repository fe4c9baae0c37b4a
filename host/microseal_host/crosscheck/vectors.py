"""The two forms of vector files (tests/vectors/README.md), checked whole before a case is made of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .schema import U8, U16, U32, U64, Fields, FormatError, fields, hexadecimal, items, load, number, one_of, text

_SCALAR = _RAND = _HASH = hexadecimal(32)
_POINT, _KEY, _KID = hexadecimal(33), hexadecimal(16), hexadecimal(8)
_TIME = number(U32)
_INDEX = number(U16)
_NAME = text(32, 1)
_TOPIC = text(U16, 1)
_LONG = 1 << 20

_ENVELOPE = {
    "group": _INDEX,
    "direction": number(1),
    "mode": number(3, 1),
    "sender": _INDEX,
    "topic": _TOPIC,
    "time": _TIME,
    "rand": _RAND,
    "message": hexadecimal(0, _LONG),
    "envelope": hexadecimal(1, _LONG),
}
_SIGNED = fields({**_ENVELOPE, "nonce": hexadecimal(12)})
_ANONYMOUS = fields({**_ENVELOPE, "z": _SCALAR, "rand_group": _RAND})


def _envelope(value: Any, where: str) -> None:
    mode = value.get("mode") if isinstance(value, dict) else None
    (_ANONYMOUS if mode == 3 else _SIGNED)(value, where)


_ECQV = fields(
    {
        "id": _NAME,
        "r": _SCALAR,
        "g": _SCALAR,
        "k": _SCALAR,
        "flags": number(U8),
        "not_after": _TIME,
        "claim": hexadecimal(32),
        "request": hexadecimal(69, 100),
        "claimed_request": hexadecimal(101, 132),
        "certificate": hexadecimal(82, 113),
        "reply": hexadecimal(71),
        "a": _SCALAR,
        "e": _HASH,
        "kid": _KID,
        "private": _SCALAR,
        "public": _POINT,
        "share_box": hexadecimal(48),
    }
)

_GROUP = fields(
    {
        "gid": _NAME,
        "epoch": number(U32),
        "issued": _TIME,
        "not_after": _TIME,
        "policy": hexadecimal(8, U16),
        "publishers": items(_INDEX),
        "subscribers": items(_INDEX),
        "blind_p": _SCALAR,
        "blind_s": _SCALAR,
        "rand": _RAND,
        "d_p": _SCALAR,
        "d_s": _SCALAR,
        "info": hexadecimal(250, _LONG),
        "roster_p": hexadecimal(0, _LONG),
        "roster_s": hexadecimal(0, _LONG),
        "key_packets": items(fields({"member": _INDEX, "role": number(2, 1), "u": _SCALAR, "packet": hexadecimal(86)})),
        "rekeys": items(fields({"role": number(2, 1), "old": _SCALAR, "packet": hexadecimal(53)})),
        "asks": items(
            fields({"member": _INDEX, "held": number(U32), "time": _TIME, "rand": _RAND, "ask": hexadecimal(74, 105)})
        ),
    }
)

_SESSION = fields(
    {
        "sender": _INDEX,
        "gate": _INDEX,
        "client": text(63, 1),
        "connect_flags": number(U8),
        "keep_alive": number(U16),
        "will_topic": text(U16),
        "will": hexadecimal(0, U16),
        "time": _TIME,
        "gate_time": _TIME,
        "e": _SCALAR,
        "e_gate": _SCALAR,
        "hello": hexadecimal(62),
        "welcome": hexadecimal(54),
        "handshake_hash": _HASH,
        "key_up": _KEY,
        "key_down": _KEY,
        "frames": items(
            fields(
                {
                    "way": one_of("up", "down"),
                    "topic": text(U16),
                    "counter": number(U32),
                    "message": hexadecimal(0, _LONG),
                    "frame": hexadecimal(13, _LONG),
                }
            )
        ),
    }
)

_PARTS = {
    "suite": number(U8),
    "ca": fields({"private": _SCALAR, "public": _POINT, "issuer": _KID, "signer": _INDEX}),
    "ecqv": items(_ECQV),
    "groups": items(_GROUP),
    "envelopes": items(_envelope),
    "sessions": items(_SESSION),
    "fresh": items(
        fields(
            {
                "seed": hexadecimal(32),
                "rand": _RAND,
                "boot": _TIME,
                "count": number(U64),
                "length": number(8160, 1),
                "value": hexadecimal(1, 8160),
            }
        )
    ),
    "time": fields({"challenge": hexadecimal(16), "time": _TIME, "rand": _RAND, "signed": hexadecimal(68)}),
    "renewal": fields({"device": _INDEX, "r": _SCALAR, "g": _SCALAR, "rand": _RAND, "renewal": hexadecimal(141, 172)}),
    "revoked": fields({"issued": _TIME, "members": items(_INDEX), "rand": _RAND, "list": hexadecimal(68, _LONG)}),
    "reject": items(
        fields(
            {"kind": text(40, 1), "why": text(200, 1), "value": hexadecimal(0, _LONG)},
            {"envelope": _INDEX, "member": _INDEX},
        )
    ),
}

_SEC4 = fields(
    {
        "source": text(1000),
        "vectors": items(
            fields(
                {
                    "tbs": hexadecimal(0, 1000),
                    "k_u": _SCALAR,
                    "r_u": _POINT,
                    "d_ca": _SCALAR,
                    "q_ca": _POINT,
                    "k": _SCALAR,
                    "p_u": _POINT,
                    "cert": hexadecimal(33, 1033),
                    "r": _SCALAR,
                    "d_u": _SCALAR,
                    "q_u": _POINT,
                }
            )
        ),
    }
)


@dataclass(frozen=True)
class VectorFile:
    """A file that is of its form. `uncovered`: names of parts that this version does not know."""

    name: str
    content: dict[str, Any]
    uncovered: tuple[str, ...]

    @property
    def is_sec4(self) -> bool:
        return "vectors" in self.content


def read(path: Path) -> VectorFile:
    return check(load(path), path.name)


def check(content: dict[str, Any], name: str) -> VectorFile:
    """The file, or FormatError with where and why."""
    try:
        if "vectors" in content:
            _SEC4(content, "")
            return VectorFile(name, content, ())
        uncovered = tuple(part for part in content if part not in _PARTS)
        known = {part: value for part, value in content.items() if part in _PARTS}
        Fields(_PARTS, {})(known, "")
        if content["suite"] not in (1, 2):
            raise FormatError(f"suite: there are the suites 1 and 2, not {content['suite']}")
        _check_references(content)
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from None
    return VectorFile(name, known, uncovered)


def _check_references(content: dict[str, Any]) -> None:
    """Every index points at something, and what a reject is made from exists."""
    ends = {name: len(content[name]) for name in ("ecqv", "groups", "envelopes", "sessions")}

    def inside(part: str, index: int, where: str) -> None:
        if index >= ends[part]:
            raise FormatError(f"{where}: {part} has no entry {index}")

    inside("ecqv", content["ca"]["signer"], "ca.signer")
    for i, group in enumerate(content["groups"]):
        where = f"groups[{i}]"
        for name in ("publishers", "subscribers"):
            for member in group[name]:
                inside("ecqv", member, f"{where}.{name}")
        for name in ("key_packets", "asks"):
            for entry in group[name]:
                inside("ecqv", entry["member"], f"{where}.{name}")
    for i, envelope in enumerate(content["envelopes"]):
        inside("groups", envelope["group"], f"envelopes[{i}].group")
        inside("ecqv", envelope["sender"], f"envelopes[{i}].sender")
    for i, session in enumerate(content["sessions"]):
        inside("ecqv", session["sender"], f"sessions[{i}].sender")
        inside("ecqv", session["gate"], f"sessions[{i}].gate")
    inside("ecqv", content["renewal"]["device"], "renewal.device")
    for member in content["revoked"]["members"]:
        inside("ecqv", member, "revoked.members")
    _check_rejects(content["reject"], inside)


def _check_rejects(rejects: list[dict[str, Any]], inside: Any) -> None:
    sources = {
        "envelope": "envelopes",
        "certificate": "ecqv",
        "request": "ecqv",
        "reply": "ecqv",
        "share": "ecqv",
        "info": "groups",
        "key_packet": "groups",
        "hello": "sessions",
        "welcome": "sessions",
        "frame": "sessions",
    }
    for i, reject in enumerate(rejects):
        where, kind = f"reject[{i}]", reject["kind"]
        if kind in sources:
            inside(sources[kind], reject.get("envelope", 0), where)
            inside("ecqv", reject.get("member", 0), f"{where}.member")
        needed = {"envelope": "envelope", "key_packet": "member"}.get(kind)
        if needed and needed not in reject:
            raise FormatError(f"{where}: the field {needed!r} is missing")
