"""Claim files, the boot count, and an enrolment that the power interrupts (section 4)."""

import json

from device_support import Counting, files_of, fresh_directory, raises, refused, scenario, suites

from microseal import errors
from microseal.enrolment import Enrolment, load_identity, stored_id
from microseal.errors import StorageError
from microseal.provisioning import count_boot, install, load_authority, load_broker, provisioned
from microseal.store import Store


def claim_file(world, index=0, **changes):
    """The text of a claim file for the vectors' device, with other members."""
    case = world.case(index)
    members = {
        "suite": world.suite,
        "id": case["id"],
        "authority": world.anchor.public.hex(),
        "signer": world.signer_raw.hex(),
        "claim": case["claim"],
        "seed": "5e" * 32,
        "broker": {"host": "broker.local", "port": 1883},
    }
    members.update(changes)
    return json.dumps({name: value for name, value in members.items() if value is not None})


class Scalars:
    """Entropy that gives the vectors' r and g."""

    def __init__(self, case):
        self._left = [bytes.fromhex(case["r"]), bytes.fromhex(case["g"])]

    def scalar(self):
        return self._left.pop(0)


def test_install():
    for suite in suites:
        world = scenario(suite)
        store = Store(fresh_directory())
        assert not provisioned(store)
        install(store, claim_file(world))
        assert provisioned(store)
        anchor, signer = load_authority(store)
        assert (anchor.suite, anchor.public, signer.cert.raw) == (suite, world.anchor.public, world.signer_raw)
        assert load_broker(store) == {"host": "broker.local", "port": 1883}
        assert stored_id(store) == world.case(0)["id"].encode()
        boot = store.load("boot")
        assert len(boot) == 36 and boot[32:] == bytes(4)
        assert boot[:32] != b"\x5e" * 32  # mixed with the device's own


def test_two_devices_with_the_same_file_have_seeds_of_their_own():
    seeds = []
    for _ in range(2):
        store = Store(fresh_directory())
        install(store, claim_file(scenario(suites[0])))
        seeds.append(store.load("boot")[:32])
    assert seeds[0] != seeds[1]


def test_a_provisioned_device_keeps_everything():
    world = scenario(suites[0])
    directory = fresh_directory()
    install(Store(directory), claim_file(world))
    before = files_of(directory)
    install(Store(directory), claim_file(world, 1, seed="00" * 32, broker={"host": "elsewhere", "port": 1}))
    assert files_of(directory) == before


def test_claim_files_that_are_none():
    world = scenario(suites[0])
    case = world.case(0)
    directory = fresh_directory()
    store = Store(directory)
    good = claim_file(world)
    for text in (
        "[" * 100000,
        "",
        " ",
        "x",
        "null",
        "[]",
        "1",
        '"text"',
        "{}",
        good[:-1],
        good[1:],
        good + "x",
        good.replace('"', "'"),
    ):
        refused(errors.CLAIM, install, store, text)
    # MicroPython reads a number for a name, and takes commas and colons for spaces.
    for members in ('5: 1, "host": "h", "port": 1', '"host": "h", "port": 1, 5: 1', '"host": "h": ,5, "port": 1'):
        text = good.replace(good[good.index('"broker"') :].split("}")[0], '"broker": {' + members)
        refused(errors.CLAIM, install, store, text)
    for name in ("suite", "id", "authority", "signer", "claim", "seed", "broker"):
        changes = {name: None}
        refused(errors.CLAIM, install, store, claim_file(world, **changes))
        for wrong in ([], {}, "zz", "0", 1.5, "é"):
            if name != "id" or not isinstance(wrong, str):
                changes = {name: wrong}
                refused(errors.CLAIM, install, store, claim_file(world, **changes))
    for reason, changes in (
        (errors.CLAIM, {"more": 1}),
        (errors.CLAIM, {"suite": "1"}),
        (errors.SUITE, {"suite": 0}),
        (errors.SUITE, {"suite": 3}),
        (errors.NAME, {"id": ""}),
        (errors.NAME, {"id": "a/b"}),
        (errors.NAME, {"id": "a" * 33}),
        (errors.POINT, {"authority": ""}),
        (errors.POINT, {"authority": "00" * 33}),
        (errors.CLAIM, {"authority": world.anchor.public.hex().upper()}),
        (errors.LENGTH, {"signer": ""}),
        (errors.FLAGS, {"signer": case["certificate"]}),
        (errors.CLAIM, {"claim": case["claim"][:-2]}),
        (errors.CLAIM, {"claim": case["claim"] + "00"}),
        (errors.CLAIM, {"claim": case["claim"][:-1] + "g"}),
        (errors.CLAIM, {"claim": " " + case["claim"][1:]}),
        (errors.CLAIM, {"seed": "00" * 31}),
        (errors.CLAIM, {"broker": "broker.local"}),
        (errors.CLAIM, {"broker": {"host": "h"}}),
        (errors.CLAIM, {"broker": {"host": 1, "port": 1}}),
        (errors.CLAIM, {"broker": {"host": "h", "port": 0}}),
        (errors.CLAIM, {"broker": {"host": "h", "port": 65536}}),
        (errors.CLAIM, {"broker": {"host": "h", "port": 1.5}}),
        (errors.CLAIM, {"broker": {"host": "h", "port": "1883"}}),
    ):
        refused(reason, install, store, claim_file(world, **changes))
    assert files_of(directory) == {}


def test_what_is_not_provisioned_says_so():
    world = scenario(suites[0])
    store = Store(fresh_directory())
    for call in (load_authority, load_broker, stored_id):
        assert "not provisioned" in str(raises(StorageError, call, store))
    assert "not provisioned" in str(raises(StorageError, count_boot, store, 1))
    assert "not provisioned" in str(raises(StorageError, Enrolment, store, world.anchor, None))
    for content in (b"x", bytes(35), bytes(37)):
        store.save("boot", content)
        raises(StorageError, count_boot, store, 1)


def test_boots_are_counted_before_the_first_value():
    store = Store(fresh_directory())
    install(store, claim_file(scenario(suites[0])))
    seen = set()
    for count in range(1, 6):
        entropy = count_boot(store, 1, bytes)
        assert store.load("boot")[32:] == count.to_bytes(4, "big")
        seen.add(entropy.fresh(8))
    assert len(seen) == 5  # with a stuck source


def test_enrolment():
    for suite in suites:
        world = scenario(suite)
        case = world.case(0)
        store = Store(fresh_directory())
        install(store, claim_file(world))
        assert load_identity(store, world.anchor) is None
        enrolment = Enrolment(store, world.anchor, Scalars(case))
        assert enrolment.id == case["id"].encode()
        assert enrolment.request.hex() == case["claimed_request"]
        # After a restart the same request, without anything drawn.
        again = Enrolment(store, world.anchor, None)
        assert again.request == enrolment.request
        reply = bytes.fromhex(case["reply"])
        refused(errors.KEY, again.accept, reply[:-1] + bytes((reply[-1] ^ 1,)))
        assert load_identity(store, world.anchor) is None and store.load("enrol")
        me, box = again.accept(reply)
        assert me.private.hex() == case["private"] and box.hex() == case["share_box"]
        found, found_box = load_identity(store, world.anchor)
        assert (found.private, found.public, found.cert.raw, found_box) == (me.private, me.public, me.cert.raw, box)
        assert stored_id(store) == me.id


def secrets_of(case):
    return [bytes.fromhex(case[name]) for name in ("r", "g", "claim")]


def test_nothing_of_the_request_is_left_after_enrolment():
    for suite in suites:
        world = scenario(suite)
        case = world.case(0)
        directory = fresh_directory()
        store = Store(directory)
        install(store, claim_file(world))
        Enrolment(store, world.anchor, Scalars(case)).accept(bytes.fromhex(case["reply"]))
        for raw in files_of(directory).values():
            assert not any(secret in raw for secret in secrets_of(case))


def test_an_erasure_that_the_power_cut_is_finished_at_the_next_start():
    world = scenario(suites[0])
    case = world.case(0)
    directory = fresh_directory()
    store = Store(directory)
    install(store, claim_file(world))
    enrolment = Enrolment(store, world.anchor, Scalars(case))
    before = files_of(directory)
    enrolment.accept(bytes.fromhex(case["reply"]))
    after = files_of(directory)
    enrol = [name for name in sorted(after) if name.startswith("enrol.")]
    assert len(enrol) == 2
    # Each order in which the two slots may have been left: written or not.
    for left in ([], enrol[:1], enrol[1:]):
        for name in enrol:
            with open(directory + "/" + name, "wb") as file:
                file.write(after[name] if name in left else before[name])
        assert load_identity(Store(directory), world.anchor)
        for raw in files_of(directory).values():
            assert not any(secret in raw for secret in secrets_of(case))


def test_random_values_come_from_entropy_alone():
    world = scenario(suites[0])
    store = Store(fresh_directory())
    install(store, claim_file(world))
    source = Counting()
    entropy = count_boot(store, world.suite, source)
    first = Enrolment(store, world.anchor, entropy).request
    assert source.calls == 2  # r and g
    assert Enrolment(store, world.anchor, entropy).request == first
    assert source.calls == 2
