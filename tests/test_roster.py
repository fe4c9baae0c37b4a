"""A roster in any chunks is the roster in one piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microseal import errors
from microseal.errors import Refused
from microseal.kids import contains
from microseal.roster import RosterReader, roster_hash
from microseal_host.issuing import make_roster
from strategies import SUITES

pytestmark = pytest.mark.usefixtures("core")

HASHES = st.frozensets(st.binary(min_size=32, max_size=32), max_size=12)
SIZES = st.lists(st.integers(0, 70), max_size=40)


def chunks(raw: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(raw[:size])
        raw = raw[size:]
    return [*pieces, raw]


def read(reader: RosterReader, pieces: list[bytes]) -> str | None:
    try:
        for piece in pieces:
            reader.write(piece)
        reader.close()
    except Refused as refusal:
        return refusal.reason
    return None


@given(SUITES, HASHES, SIZES, st.integers(0, 14), st.data())
def test_any_chunks(suite: int, hashes: frozenset[bytes], sizes: list[int], limit: int, data: st.DataObject) -> None:
    roster = make_roster(hashes)
    own = data.draw(st.sampled_from([*sorted(hashes), bytes(31) + b"\x01"]))
    reader = RosterReader(suite, roster_hash(suite, roster), [own], limit)
    assert read(reader, chunks(roster, sizes)) is None
    assert reader.found == [own] * (own in hashes)
    if len(hashes) > limit:
        assert reader.kids is None
    else:
        assert bytes(reader.kids) == b"".join(sorted(entry[:8] for entry in hashes))


@given(SUITES, st.binary(max_size=200), SIZES)
def test_bytes_that_are_no_roster_are_refused_in_any_chunks(suite: int, raw: bytes, sizes: list[int]) -> None:
    """Even where the info names the hash of those very bytes."""
    entries = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    reason = read(RosterReader(suite, roster_hash(suite, raw), b"", 64), chunks(raw, sizes))
    whole = entries[:-1] if len(raw) % 32 else entries
    if any(a >= b for a, b in zip(whole, whole[1:], strict=False)):
        assert reason == errors.ORDER
    else:
        assert reason == (errors.LENGTH if len(raw) % 32 else None)


@given(SUITES, HASHES, SIZES, st.data())
def test_any_other_roster_is_refused(
    suite: int, hashes: frozenset[bytes], sizes: list[int], data: st.DataObject
) -> None:
    roster = make_roster(hashes)
    other = make_roster(hashes ^ {data.draw(st.sampled_from([*sorted(hashes), bytes(32)]))})
    reader = RosterReader(suite, roster_hash(suite, roster), b"", 64)
    assert read(reader, chunks(other, sizes)) == errors.HASH


@given(st.frozensets(st.binary(min_size=8, max_size=8)), st.binary(min_size=8, max_size=8))
def test_search(kids: frozenset[bytes], other: bytes) -> None:
    listed = b"".join(sorted(kids))
    assert all(contains(listed, kid) for kid in kids)
    assert contains(listed, other) == (other in kids)
