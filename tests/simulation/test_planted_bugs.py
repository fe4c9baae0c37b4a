"""The simulation finds bugs: each of these is put into the real code, and must be found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

import pytest
from sim_machine import make_machine, run
from sim_truth import Violation

from microseal.entropy import Entropy
from microseal.epoch import Epoch
from microseal.fetching import Fetching
from microseal.inbox import Inbox
from microseal.member import Member
from microseal.membership import Membership
from microseal.replay import Replay
from microseal.revocation import Revoked
from microseal_host import issuing
from microseal_host.authority import epochs, registry

Patch = AbstractContextManager[object]


def no_roster_check() -> Patch:
    """A receiver takes whoever has a certificate."""
    return patch.object(Epoch, "check_sender", lambda self, direction, kid: None)


def overlap_for_all() -> Patch:
    """In the overlap a receiver takes those who are on the roster of the epoch before, and looks no further."""
    return patch.object(
        Membership, "check_sender", lambda self, epoch, direction, kid: epoch.check_sender(direction, kid)
    )


def old_blinds() -> Patch:
    """The authority draws its blinds once."""
    make_keys, blinds = issuing.make_keys, {}

    def make(suite: int, shares_p: list[bytes], shares_s: list[bytes], b_p: bytes, b_s: bytes) -> issuing.GroupKeys:
        return make_keys(suite, shares_p, shares_s, *blinds.setdefault(suite, (b_p, b_s)))

    return patch.object(issuing, "make_keys", make)


def boots_not_counted() -> Patch:
    """A device starts with the same boot count every time."""

    def count(store: object, suite: int, source: Callable[[int], bytes]) -> Entropy:
        return Entropy(suite, store.load("boot")[:32], 1, source)

    return patch("microseal.member.count_boot", count)


def no_window() -> Patch:
    """A receiver does not remember what it has had."""
    return patch.object(Replay, "check", lambda self, kid, t, nonce: None)


def no_moment_of_start() -> Patch:
    """After a restart a receiver takes what is dated before it."""
    return patch.object(Inbox, "started", property(lambda self: 1, lambda self, value: None), create=True)


def revoked_is_ignored() -> Patch:
    """Who was revoked is heard until the epoch that shuts it out is there."""
    return patch.object(Revoked, "__contains__", lambda self, kid: False)


def who_was_revoked_stays() -> Patch:
    """The authority gives the next epoch to those who were there, revoked or not."""
    find_due = epochs.find_due

    def find(connection: object, now: int) -> list[epochs.Due]:
        found = find_due(connection, now)
        return [
            epochs.Due(**{**vars(due), "seats": due.seats | registry.current_seats(connection, due.gid)})
            for due in found
        ]

    return patch.object(epochs, "find_due", find)


def nothing_is_fetched_again() -> Patch:
    """What did not arrive the first time never does."""
    return patch.object(Member, "take_refetch", lambda self: [])


def certificates_are_asked_for_once() -> Patch:
    """A certificate that does not come is never asked for again."""
    want = Fetching.want

    def want_once(self: Fetching, kid: bytes, ticks: int) -> None:
        if kid not in self._asked:
            want(self, kid, ticks)

    return patch.object(Fetching, "want", want_once)


BUGS = {
    no_roster_check: "intruder|gone in epoch|no seat",
    overlap_for_all: "gone in epoch",
    old_blinds: "was there before|has no seat",
    boots_not_counted: "boot and count came twice",
    no_window: "for the second time",
    no_moment_of_start: "for the second time",
    revoked_is_ignored: "is revoked",
    who_was_revoked_stays: "is not entitled",
    nothing_is_fetched_again: "after the last loss|could be fetched",
    certificates_are_asked_for_once: "could be fetched",
}


QUICK = (no_roster_check, overlap_for_all, no_window, nothing_is_fetched_again)  # one for each part of the code


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_is_found(bug: Callable[[], Patch], long_run: bool) -> None:
    if bug not in QUICK and not long_run:
        pytest.skip("takes half a minute: --long")
    with bug(), pytest.raises(Violation, match=BUGS[bug]):
        run(make_machine(1, 8), examples=100, steps=80, shrink=False)
