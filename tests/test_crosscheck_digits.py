"""A cross-check that passes says something only if it fails for every digit that is wrong: each field, one digit at a time."""

import random
from pathlib import Path
from typing import Any

import pytest

from crosscheck_helpers import Remembering, check, leaves, put
from microseal_host.backends import libcrypto
from microseal_host.crosscheck import vectors
from microseal_host.crosscheck.generate import scenario
from microseal_host.crosscheck.runners import Package
from microseal_host.crosscheck.schema import FormatError
from published import own

# What these say is text for people, or which rule a reject stands for; there is no other digit in it to be wrong.
WORDS = ("why", "kind", "source")
HEX = "0123456789abcdef"


def changed(value: Any, at: int, rng: random.Random) -> Any:
    """The value with another digit at one place."""
    text = str(value)
    digits = HEX if isinstance(value, str) else HEX[:10]
    other = text[:at] + rng.choice([d for d in digits if d != text[at]]) + text[at + 1 :]
    return other if isinstance(value, str) else int(other)


def places(value: Any) -> list[int]:
    """Where a value has digits: everywhere if it is bytes or a number, else where the text has some."""
    text = str(value)
    is_bytes = set(text) <= set(HEX)
    return [i for i, c in enumerate(text) if c in (HEX if is_bytes else HEX[:10])]


def is_seen(content: dict[str, Any], runner: Remembering) -> bool:
    try:
        return bool(check(content, runner).disagreements)
    except FormatError:
        return True


def missed(content: dict[str, Any], each: int, seed: int) -> list[tuple[Any, ...]]:
    """The changes that went unseen, with `each` digits of every field changed."""
    rng, runner = random.Random(seed), Remembering(Package("libcrypto", libcrypto))
    assert not is_seen(content, runner)
    found = []
    for path, value in list(leaves(content)):
        if path[-1] in WORDS:
            continue
        for at in rng.sample(places(value), min(each, len(places(value)))):
            put(content, path, changed(value, at, rng))
            # Nothing is nothing, whichever envelope it is that was emptied.
            nothing = path[0] == "reject" and path[2] == "envelope" and content["reject"][path[1]]["why"] == "empty"
            if not is_seen(content, runner) and not nothing:
                found.append((path, value, at))
        put(content, path, value)
    return found


@pytest.mark.parametrize("name", ["suite1.json", "suite2.json", "ecqv_sec4.json"])
def test_one_wrong_digit_is_seen(name: str, long_run: bool) -> None:
    assert missed(own(name), 100 if long_run else 1, seed=1) == []


def test_one_wrong_digit_of_a_random_scenario_is_seen(long_run: bool) -> None:
    content = scenario(1, "digits")
    vectors.check(content, "random")
    assert missed(content, 20 if long_run else 1, seed=2) == []


def test_the_own_copy_is_whole() -> None:
    """The files here are what README.md describes, and nothing else lies beside them."""
    names = {path.name for path in (Path(__file__).parent / "vectors").iterdir()}
    assert names == {"README.md", "suite1.json", "suite2.json", "ecqv_sec4.json"}
