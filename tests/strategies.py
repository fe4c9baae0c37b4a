"""Values of the protocol for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from microseal import crypto
from microseal.policy import Policy

SUITES = st.sampled_from([1, 2])
SECRETS = st.binary(min_size=48, max_size=48)  # what scalar() makes a scalar of
TIMES = st.integers(0, 2**32 - 1)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
NAMES = st.text(ALPHABET, min_size=1, max_size=32).map(str.encode)

_LEVELS = st.sampled_from(["a", "b", "", "+", "é"])
PATTERNS = st.builds(
    lambda levels, last: "/".join([*levels, *last]),
    st.lists(_LEVELS, max_size=3),
    st.sampled_from([["#"], ["a"], ["+"]]),
)
KINDS = st.lists(st.tuples(st.integers(0, 3), PATTERNS.map(str.encode)), max_size=5)


def scalar(suite: int, wide: bytes) -> bytes:
    """The scalar that a device makes of 48 random bytes; 1 for zero."""
    reduced = crypto.core.scalar_reduce(suite, wide)
    return reduced if crypto.core.is_scalar(suite, reduced) else b"\x00" * 31 + b"\x01"


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    mode = draw(st.integers(0, 3))
    max_age = draw(st.integers(1 if mode == 3 else 0, 2**32 - 1))
    return Policy(mode, max_age, draw(st.integers(0, 2**16 - 1)), draw(KINDS))
