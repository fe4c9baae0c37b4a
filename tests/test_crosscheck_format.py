"""Vector files may come from anywhere: whatever is not of their form is refused, with where and why, and nothing else happens."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosscheck_helpers import check, leaves, put
from microseal_host.backends import libcrypto
from microseal_host.crosscheck import vectors
from microseal_host.crosscheck.runners import Package
from microseal_host.crosscheck.schema import MAX_FILE, FormatError, load
from published import own

GOOD = own("suite1.json")


def fails(content: Any, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        vectors.check(content, "file")


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    put(content, path, value)
    return content


@pytest.mark.parametrize("part", GOOD)
def test_a_missing_part(part: str) -> None:
    fails({name: value for name, value in GOOD.items() if name != part}, f"the field '{part}' is missing")


def test_every_field_of_the_first_entry_is_needed() -> None:
    for part in ("ecqv", "groups", "envelopes", "sessions", "fresh"):
        for name in GOOD[part][0]:
            content = copy.deepcopy(GOOD)
            del content[part][0][name]
            fails(content, "missing" if name != "mode" else r"envelopes\[0\]")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (("suite",), 3, "suites 1 and 2, not 3"),
        (("suite",), "1", "suite: a number"),
        (("suite",), True, "suite: a number"),
        (("suite",), 1.0, "suite: a number"),
        (("ca", "private"), "00", "ca.private: 32 bytes expected, not 1"),
        (("ca", "private"), "zz" * 32, "hexadecimal"),
        (("ca", "private"), "AB" * 32, "lower-case"),
        (("ca", "private"), "a" * 63, "hexadecimal"),
        (("ca", "private"), None, "hexadecimal"),
        (("ca", "signer"), 99, "ca.signer: ecqv has no entry 99"),
        (("ca", "more"), 1, 'ca: unknown field "more"'),
        (("ecqv", 0, "id"), "", "text of 1 to 32"),
        (("ecqv", 0, "id"), "ä" * 17, "text of 1 to 32"),
        (("ecqv", 0, "id"), "\ud800", "surrogate"),
        (("ecqv", 0, "flags"), -1, "number from 0"),
        (("ecqv", 0, "not_after"), 2**32, "number from 0"),
        (("ecqv",), {}, "ecqv: a list"),
        (("ecqv", 0), [], "an object expected"),
        (("envelopes", 0, "mode"), 4, "envelopes\\[0\\].mode"),
        (("envelopes", 0, "mode"), 3, "the field 'z' is missing"),
        (("envelopes", 0, "group"), 1, "groups has no entry 1"),
        (("envelopes", 0, "sender"), 6, "ecqv has no entry 6"),
        (("envelopes", 0, "z"), "00" * 32, "unknown field"),
        (("groups", 0, "publishers"), [0, 77], "ecqv has no entry 77"),
        (("groups", 0, "key_packets", 0, "role"), 3, "role: a number from 1 to 2"),
        (("groups", 0, "asks", 0, "member"), 6, "no entry 6"),
        (("sessions", 0, "frames", 0, "way"), "sideways", "'up' or 'down'"),
        (("sessions", 0, "gate"), 6, "no entry 6"),
        (("fresh", 0, "length"), 0, "number from 1"),
        (("renewal", "device"), 6, "no entry 6"),
        (("revoked", "members"), [6], "no entry 6"),
        (("reject", 0, "envelope"), 20, "no entry 20"),
        (("reject", 0, "other"), 1, "unknown field"),
        (("reject", 0), {"kind": "envelope", "why": "x", "value": ""}, "'envelope' is missing"),
        (("reject", 0), {"kind": "key_packet", "why": "x", "value": ""}, "'member' is missing"),
    ],
)
def test_what_is_wrong_is_named(path: tuple[str | int, ...], value: Any, match: str) -> None:
    fails(changed(path, value), match)


def test_no_sources() -> None:
    fails(GOOD | {"sessions": []}, "sessions has no entry 0")


def test_sec4_files() -> None:
    good = own("ecqv_sec4.json")
    fails(good | {"suite": 1}, "unknown field")
    fails({"vectors": good["vectors"]}, "'source' is missing")


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", "not JSON"),
        (b"[]", "an object expected"),
        (b"\xff", "not UTF-8"),
        (b'{"suite": NaN}', "NaN is no number"),
        (b'{"suite": -Infinity}', "Infinity is no number"),
        (b'{"suite": 1, "suite": 2}', "occurs twice"),
        (b'{"suite": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"suite": 1e999}', "missing"),
    ],
)
def test_files_that_are_none(tmp_path: Path, raw: bytes, match: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=match):
        vectors.read(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        load(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="directory"):
        load(tmp_path)
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.truncate(MAX_FILE + 1)
    with pytest.raises(FormatError, match="longer than"):
        load(path)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.just("00" * 32),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "mode", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)
PATHS = [path for path, _ in leaves(GOOD)]
PATHS += [path[:end] for path in PATHS for end in range(1, len(path))]


@given(st.sampled_from(PATHS), ANY)
def test_any_value_anywhere(path: tuple[str | int, ...], value: Any) -> None:
    """Refused by the form, or a case like another: an answer from the implementation, never an exception from here."""
    content = changed(path, value)
    try:
        vectors.check(content, "file")
    except FormatError as error:
        assert str(error).startswith("file: ")
        return
    check(content, Package("libcrypto", libcrypto))


@given(st.sampled_from(["reject", "envelopes", "groups", "sessions"]), st.data())
def test_lists_in_another_order(part: str, data: st.DataObject) -> None:
    content = copy.deepcopy(GOOD)
    content[part] = data.draw(st.lists(st.sampled_from(content[part]), max_size=4))
    try:
        check(content, Package("libcrypto", libcrypto))
    except FormatError:
        pass
