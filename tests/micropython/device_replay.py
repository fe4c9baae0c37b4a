"""Rules 2 to 4 of section 6 and the bounds of the tables."""

from device_support import reason_of, refused

from microseal import errors
from microseal.replay import STATES, WINDOW, Replay

A, B, C = b"kid-aaaa", b"kid-bbbb", b"kid-cccc"
BOOT, LATER = b"boot-1__", b"boot-2__"


def nonce(counter, boot=BOOT):
    return boot + counter.to_bytes(4, "big")


def take(replay, kid, t, number):
    """Checks and accepts, as a receiver does."""
    replay.check(kid, t, number)
    replay.accept(kid, t, number)


def test_a_counter_only_once():
    replay = Replay(4)
    for counter in (0, 1, 5, 3, 2, 4, 0xFFFFFFFE):
        take(replay, A, 100, nonce(counter))
        refused(errors.REPLAY, replay.check, A, 100, nonce(counter))
        refused(errors.REPLAY, replay.check, A, 999, nonce(counter))


def test_checking_changes_nothing():
    replay = Replay(4)
    for _ in range(3):
        replay.check(A, 100, nonce(7))
    take(replay, A, 100, nonce(7))
    for _ in range(3):
        replay.check(A, 100, nonce(100))
    replay.check(A, 100, nonce(8))


def test_the_edge_of_the_window():
    for top in (64, 65, 1000, 0xFFFFFFFE):
        replay = Replay(4)
        take(replay, A, 100, nonce(top))
        replay.check(A, 100, nonce(top - WINDOW + 1))
        refused(errors.REPLAY, replay.check, A, 100, nonce(top - WINDOW))
        refused(errors.REPLAY, replay.check, A, 100, nonce(0))
        take(replay, A, 100, nonce(top - WINDOW + 1))
        refused(errors.REPLAY, replay.check, A, 100, nonce(top - WINDOW + 1))
        replay.check(A, 100, nonce(top - 1))


def test_the_window_moves_with_the_highest():
    replay = Replay(4)
    for counter in range(0, 200, 2):
        take(replay, A, 100, nonce(counter))
    for counter in range(198 - 63, 199):
        if counter % 2:
            take(replay, A, 100, nonce(counter))
        refused(errors.REPLAY, replay.check, A, 100, nonce(counter))
    take(replay, A, 100, nonce(10000))
    refused(errors.REPLAY, replay.check, A, 100, nonce(199))
    replay.check(A, 100, nonce(9999))


def test_time_does_not_matter_within_a_boot_value():
    replay = Replay(4)
    take(replay, A, 100, nonce(1))
    take(replay, A, 50, nonce(2))
    take(replay, A, 150, nonce(0))


def test_another_boot_value_needs_a_later_time():
    replay = Replay(4)
    take(replay, A, 100, nonce(5))
    take(replay, A, 90, nonce(6))  # the newest stays 100
    for t in (0, 90, 99, 100):
        refused(errors.REPLAY, replay.check, A, t, nonce(0, LATER))
    take(replay, A, 101, nonce(3, LATER))
    refused(errors.REPLAY, replay.check, A, 101, nonce(7))
    refused(errors.REPLAY, replay.check, A, 101, nonce(3, LATER))
    take(replay, A, 101, nonce(0, LATER))


def test_a_boot_value_is_replaced_for_good():
    replay = Replay(4)
    take(replay, A, 100, nonce(5))
    take(replay, A, 200, nonce(0, LATER))
    for t in (100, 150, 200):
        refused(errors.REPLAY, replay.check, A, t, nonce(6))
    # With a newer time it is a new boot value that happens to be an old one.
    take(replay, A, 201, nonce(6))


def test_senders_have_windows_of_their_own():
    replay = Replay(4)
    take(replay, A, 100, nonce(1))
    take(replay, B, 100, nonce(1))
    refused(errors.REPLAY, replay.check, A, 100, nonce(1))
    refused(errors.REPLAY, replay.check, B, 100, nonce(1))


def test_nobody_is_forgotten_to_make_room():
    replay = Replay(2)
    take(replay, A, 100, nonce(1))
    take(replay, B, 100, nonce(1))
    for _ in range(3):
        refused(errors.ROOM, replay.check, C, 100, nonce(1))
    refused(errors.REPLAY, replay.check, A, 100, nonce(1))
    take(replay, B, 100, nonce(2))
    replay.retain(lambda kid: kid != A)
    take(replay, C, 100, nonce(1))
    refused(errors.REPLAY, replay.check, B, 100, nonce(2))


def test_mode_3_is_remembered_until_it_is_too_old():
    replay = Replay(2)
    z = b"\x02" + bytes(32)
    replay.check_anonymous(z, A, 100)
    replay.check_anonymous(z, A, 100)
    replay.accept_anonymous(z, A, 110)
    for now in (100, 110, 111):
        refused(errors.REPLAY, replay.check_anonymous, z, A, now)
    replay.check_anonymous(z, B, 100)
    replay.accept_anonymous(z, B, 120)
    z = b"\x03" + bytes(32)
    for now in (100, 110):
        refused(errors.ROOM, replay.check_anonymous, z, A, now)
    replay.check_anonymous(z, A, 111)
    replay.accept_anonymous(z, A, 130)
    refused(errors.ROOM, replay.check_anonymous, z, C, 111)
    refused(errors.REPLAY, replay.check_anonymous, z, A, 111)


def test_states():
    replay = Replay(2)
    for stale in (False, True):
        replay.check_state(A, b"t", 100, stale)
    replay.accept_state(A, b"t", 100)
    assert reason_of(replay.check_state, A, b"t", 99, True) == errors.STALE
    replay.check_state(A, b"t", 99, False)
    replay.check_state(A, b"t", 100, True)
    replay.accept_state(A, b"t", 99)
    refused(errors.STALE, replay.check_state, A, b"t", 99, True)
    replay.check_state(A, b"u", 1, True)
    replay.accept_state(A, b"u", 1)
    replay.check_state(B, b"t", 100, False)
    replay.accept_state(B, b"t", 100)
    refused(errors.ROOM, replay.check_state, C, b"t", 100, False)
    for i in range(2, STATES):
        replay.accept_state(A, b"t%d" % i, 1)
    refused(errors.ROOM, replay.check_state, A, b"v", 100, False)
    replay.check_state(B, b"v", 100, False)  # one sender's topics take no other's room
    replay.retain(lambda kid: kid == B)
    replay.check_state(B, b"t", 100, False)
    replay.check_state(A, b"t", 1, True)
