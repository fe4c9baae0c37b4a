"""Rosters as they stream in: order, length, hash, membership, and the bound on what is kept."""

from device_support import flipped, refused, scenario

from microseal import errors
from microseal.kids import contains
from microseal.roster import RosterReader, roster_hash


def entry(number):
    """A cert_hash, ascending with the number."""
    return number.to_bytes(8, "big") + bytes(24)


def roster_of(count):
    return b"".join([entry(2 * at + 1) for at in range(count)])


def reader(roster, own=b"", limit=64, suite=1):
    return RosterReader(suite, roster_hash(suite, roster), (own,), limit)


def read_through(reader, roster, chunk):
    for at in range(0, len(roster), chunk):
        reader.write(roster[at : at + chunk])
    reader.close()


def test_every_chunk_size_gives_the_same():
    roster = roster_of(5)
    for chunk in range(1, len(roster) + 1):
        sink = reader(roster, own=entry(5))
        read_through(sink, roster, chunk)
        assert sink.found
        assert bytes(sink.kids) == b"".join([roster[at : at + 8] for at in range(0, 160, 32)])


def test_chunks_of_any_kind_of_buffer():
    roster = roster_of(2)
    sink = reader(roster)
    sink.write(bytearray(roster[:40]))
    sink.write(memoryview(roster)[40:])
    sink.write(b"")
    sink.close()
    assert not sink.found


def test_the_empty_roster():
    sink = reader(b"")
    sink.close()
    assert sink.kids == b"" and not sink.found


def test_the_vectors_rosters():
    for suite in (1, 2):
        world = scenario(suite)
        info = world.info()
        for role, roster in world.rosters.items():
            for index, on in ((2, True), (4, False)):
                sink = RosterReader(suite, info.rosters[role], [world.identity(index).cert.hash], 64)
                sink.write(roster)
                sink.close()
                assert bool(sink.found) == on
                assert sink.kids == world.kids(role)


def test_membership_takes_the_whole_hash():
    roster = roster_of(3)
    sink = reader(roster, own=entry(3)[:8] + b"\x01" * 24)
    read_through(sink, roster, 32)
    assert not sink.found


def test_order_and_duplicates():
    a, b = entry(1), entry(2)
    for wrong in (b + a, a + a, a + b + a):
        refused(errors.ORDER, read_through, reader(wrong), wrong, 32)
        refused(errors.ORDER, read_through, reader(wrong), wrong, 1)
    # The order is that of the whole hashes: equal kids are no duplicates.
    near = a[:31] + b"\x01"
    read_through(reader(a + near), a + near, 32)
    refused(errors.ORDER, read_through, reader(near + a), near + a, 32)


def test_half_an_entry():
    roster = roster_of(2)
    for cut in (1, 31, 33, 63):
        refused(errors.LENGTH, read_through, reader(roster), roster[:cut], 7)
    refused(errors.LENGTH, read_through, reader(roster), roster + b"\xff", 7)


def test_another_roster():
    roster = roster_of(3)
    for wrong in (b"", roster[:32], roster[32:], roster + entry(99), flipped(roster, 40)):
        refused(errors.HASH, read_through, reader(roster), wrong, 32)
    other = RosterReader(2, roster_hash(1, roster), (), 64)
    refused(errors.HASH, read_through, other, roster, 32)


def test_a_longer_roster_is_still_checked_but_not_kept():
    roster = roster_of(9)
    fits = reader(roster, limit=9)
    read_through(fits, roster, 32)
    assert len(fits.kids) == 72
    sink = reader(roster, own=entry(17), limit=8)
    read_through(sink, roster, 32)
    assert sink.kids is None and sink.found
    refused(errors.HASH, read_through, reader(roster, limit=8), flipped(roster, 280), 32)


def test_what_is_kept_is_searched_by_kid():
    kids = b"".join([(2 * at + 1).to_bytes(8, "big") for at in range(33)])
    for number in range(70):
        assert contains(kids, number.to_bytes(8, "big")) == (number % 2 == 1 and number < 66)
    assert not contains(b"", bytes(8))
    assert contains(bytearray(kids), (65).to_bytes(8, "big"))
