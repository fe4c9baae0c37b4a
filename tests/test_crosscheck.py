"""The cross-check: the vectors pass on every backend, and whatever is wrong with a backend, or left out of one, is seen."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from crosscheck_helpers import check
from microseal_host.backends import libcrypto
from microseal_host.cli import crosscheck as command
from microseal_host.crosscheck import comparing, vectors
from microseal_host.crosscheck.generate import scenario
from microseal_host.crosscheck.rejects import cases_of
from microseal_host.crosscheck.runners import MAKERS, Package, Runner
from microseal_host.failure import Failure
from published import OWN, own

FILES = ["suite1.json", "suite2.json", "ecqv_sec4.json"]


@pytest.fixture(scope="module")
def runners() -> Iterator[list[Runner]]:
    started = [make() for make in MAKERS.values()]
    yield started
    for runner in started:
        runner.close()


@pytest.mark.parametrize("name", FILES)
def test_the_vectors_on_every_backend(runners: list[Runner], name: str) -> None:
    result = check(own(name), *runners)
    assert not result.disagreements
    assert not result.uncovered
    assert sum(row.cases for row in result.rows.values()) == (1 if name == "ecqv_sec4.json" else 210)


@pytest.mark.parametrize("suite", [1, 2])
def test_random_scenarios_on_every_backend(runners: list[Runner], suite: int, long_run: bool) -> None:
    for i in range(200 if long_run else 2):
        result = check(scenario(suite, f"test {i}"), *runners)
        assert not result.disagreements, result.disagreements[0].as_json()
        assert not result.uncovered


def test_a_seed_gives_the_same_scenario() -> None:
    assert scenario(1, "x") == scenario(1, "x") != scenario(1, "y")


def test_device_operations_of_both_interpreters_are_one_file(runners: list[Runner]) -> None:
    """What MicroPython answers is its own: an unknown operation fails there as it does here."""
    for runner in runners:
        assert "error" in runner.run("no such operation", {"suite": 1})


# A backend that is wrong


class Faulty:
    """libcrypto with some functions replaced."""

    def __init__(self, **replaced: Callable[..., Any]) -> None:
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced.get(name) or getattr(libcrypto, name)


def _open_unchecked(key: bytes, nonce: bytes, aad: bytes, data: bytes, out: bytearray) -> bool:
    """Decrypts without looking at the tag: counter mode is its own inverse."""
    sealed = bytearray(len(data))
    libcrypto.gcm_seal(key, nonce, aad, data[:-16], sealed)
    out[:] = sealed[:-16]
    return True


def _shifted(function: Callable[..., bytes]) -> Callable[..., bytes]:
    def call(*args: Any) -> bytes:
        right = function(*args)
        return right[:-1] + bytes([right[-1] ^ 1])

    return call


FAULTS: dict[str, dict[str, Callable[..., Any]]] = {
    "hash": {"hash": _shifted(libcrypto.hash)},
    "hmac": {"hmac": _shifted(libcrypto.hmac)},
    "hkdf": {"hkdf": _shifted(libcrypto.hkdf)},
    "cmac": {"cmac": lambda *args: bytes(16)},
    "gcm_open without the tag": {"gcm_open": _open_unchecked},
    "points not checked": {"is_point": lambda suite, P: True},
    "scalars not checked": {"is_scalar": lambda suite, x: True},
    "nonce not hedged": {"sign": lambda *args: libcrypto.sign(*args[:-1], bytes(32))},
    "context not signed": {
        "sign": lambda suite, d, Q, label, ctx, msg, rand: libcrypto.sign(suite, d, Q, label, b"", msg, rand),
        "verify": lambda suite, Q, label, ctx, msg, sig: libcrypto.verify(suite, Q, label, b"", msg, sig),
    },
    "every signature is good": {"verify": lambda *args: True},
    "no signature is good": {"verify": lambda *args: False},
    "reduction": {"scalar_reduce": lambda suite, wide: libcrypto.scalar_reduce(suite, wide[-32:])},
    "multiply and add": {"scalar_mul_add": lambda suite, a, b, c: libcrypto.scalar_mul_add(suite, a, b, bytes(32))},
    "ecqv_issue": {"ecqv_issue": _shifted(libcrypto.ecqv_issue)},
    "ecqv_public": {"ecqv_public": lambda suite, cert, C, q_ca: C},
    "ecqv_accept unchecked": {
        "ecqv_accept": lambda suite, cert, C, q_ca, r, a: (a, libcrypto.ecqv_public(suite, cert, C, q_ca))
    },
    "everything is equal": {"equal": lambda a, b: True},
    "a function that fails": {"ecdh": lambda *args: 1 / 0},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["suite1.json", "suite2.json"])
def test_a_faulty_core_is_seen(fault: str, name: str) -> None:
    good, bad = Package("good", libcrypto), Package("bad", Faulty(**FAULTS[fault]))
    result = check(own(name), good, bad)
    assert result.disagreements
    for found in result.disagreements:
        outcomes = dict(found.outcomes)
        assert outcomes["bad"] != outcomes["good"] or fault == "nonce not hedged"
        assert any("bad" in what for what in found.what)


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _first(*args: Any) -> Any:
    return args[0]


# What is taken away, and the kinds of rejects that are then accepted or refused by something else.
DEFENCES: list[tuple[str, str, Callable[..., Any], set[str]]] = [
    ("microseal.crypto", "check_point", lambda suite, point: point, {"request"}),
    ("microseal.wire", "check_name", _first, {"certificate"}),
    ("microseal.identity.Anchor", "check", lambda self, cert, flags, now: cert, {"certificate"}),
    ("microseal.identity.Signer", "check", _nothing, {"info"}),
    ("microseal.wire.Reader", "end", _nothing, {"certificate"}),
    ("microseal.epoch", "contains", lambda kids, kid: True, {"envelope"}),
    ("microseal.membership.Membership", "check_policy", _nothing, {"envelope"}),
    ("microseal.membership.Membership", "held", lambda self, ep, now: self.current, {"envelope"}),
    ("microseal.envelope.Envelope", "_check_signature", _nothing, {"envelope"}),
    ("microseal.envelope", "_unpadded", lambda inner: inner.rstrip(b"\0").rfind(b"\x80"), {"envelope"}),
    ("microseal.session", "check_client_id", _first, set()),
]


def _resolve(path: str) -> Any:
    import importlib

    module, _, last = path.rpartition(".")
    return getattr(importlib.import_module(module), last) if last[0].isupper() else importlib.import_module(path)


@pytest.mark.parametrize(("where", "name", "instead", "kinds"), DEFENCES, ids=[f"{d[0]}.{d[1]}" for d in DEFENCES])
def test_a_missing_check_of_the_package_is_seen(
    monkeypatch: pytest.MonkeyPatch, where: str, name: str, instead: Callable[..., Any], kinds: set[str]
) -> None:
    monkeypatch.setattr(_resolve(where), name, instead)
    result = check(own("suite1.json"), Package("libcrypto", libcrypto))
    refused = {found.row.removeprefix("refuse ") for found in result.disagreements if found.row.startswith("refuse")}
    assert kinds <= refused
    # Without the check of the client id the keys still refuse the hello; the vectors cannot tell, test_session.py can.
    assert kinds or not result.disagreements


def test_suite_check_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from microseal import envelope

    original = envelope.Envelope.__init__

    def init(self: Any, raw: bytes) -> None:
        original(self, raw)
        self.suite = 1

    monkeypatch.setattr(envelope.Envelope, "__init__", init)
    result = check(own("suite1.json"), Package("libcrypto", libcrypto))
    assert [found for found in result.disagreements if "other suite" in found.origin]


def test_backends_that_differ_where_the_file_says_nothing() -> None:
    case = next(c for c in cases_of(vectors.check(own("suite1.json"), "x")).cases if c.operation == "open request")
    one = ("one", {"ok": {"id": case.expected["id"], "R": "00"}}) if case.expected else ("", {})
    two = ("two", {"ok": {"id": case.expected["id"], "R": "01"}}) if case.expected else ("", {})
    assert comparing.compare(case, [one, one]) is None
    found = comparing.compare(case, [one, two])
    assert found is not None
    assert found.what == ("two differs from one",)


# Files that hold more, or other things


def test_parts_that_are_not_known() -> None:
    content = own("suite1.json") | {"evidence": [{"anything": 1}]}
    content["reject"] += [
        {"kind": "evidence", "why": "too old", "value": "00"},
        {"kind": "frame", "why": "another reason", "value": "00"},
    ]
    result = check(content, Package("libcrypto", libcrypto))
    assert not result.disagreements
    assert len(result.uncovered) == 3
    assert "the part 'evidence'" in result.uncovered[0]


def test_what_should_be_refused_and_is_not() -> None:
    content = own("suite1.json")
    good = content["sessions"][0]["frames"][1]["frame"]
    content["reject"] = [{"kind": "frame", "why": why, "value": good} for why in ("tag altered", "another reason")]
    result = check(content, Package("libcrypto", libcrypto))
    assert ["accepts it" in str(found.what) for found in result.disagreements] == [False, True, True]
    assert "not its source" in result.disagreements[0].what[0]


@pytest.mark.parametrize("index", range(60))
def test_each_reject_must_be_made_of_its_source(index: int) -> None:
    """A reject under another's name: refused or not, it is not what its reason says."""
    content = own("suite1.json")
    entry = content["reject"][index]
    others = [e["value"] for e in content["reject"] if e["kind"] == entry["kind"]] + ["00" * 54]
    content["reject"] = [entry | {"value": next(value for value in others if value != entry["value"])}]
    assert check(content, Package("libcrypto", libcrypto)).disagreements


def test_nobody_to_receive() -> None:
    content = own("suite1.json")
    content["groups"][0]["subscribers"] = []
    result = check(content, Package("libcrypto", libcrypto))
    assert any(found.row == "info" for found in result.disagreements)
    assert any("nothing here opens a envelope" in text for text in result.uncovered)


# The command


@pytest.fixture
def invoke() -> Callable[..., SimpleNamespace]:
    app = typer.Typer()
    app.command(epilog=command.EXAMPLE)(command.crosscheck)

    def call(*args: str) -> SimpleNamespace:
        result = CliRunner().invoke(app, list(args))
        return SimpleNamespace(code=result.exit_code, out=result.stdout, error=result.exception)

    return call


def test_command_on_the_own_vectors(invoke: Callable[..., SimpleNamespace]) -> None:
    result = invoke("--backend", "libcrypto", "--backend", "ccore")
    assert result.code == 0, result.error
    assert "421 cases through libcrypto, ccore: no disagreement" in result.out
    assert "refuse envelope" in result.out


def test_command_shows_each_disagreement_whole(invoke: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    content = own("suite1.json")
    content["fresh"][0]["value"] = "00" * 8
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(content))
    result = invoke("--vectors", str(path), "--backend", "libcrypto")
    assert result.code == 1
    assert content["fresh"][0]["seed"] in result.out.replace("\n", "")
    assert "210 cases through libcrypto: 1 disagreement" in result.out
    result = invoke("--vectors", str(path), "--backend", "libcrypto", "--json")
    assert result.code == 1
    (found,) = json.loads(result.out)["disagreements"]
    assert found["case"] == "wrong.json: fresh[0]"
    assert found["expected"] == {"value": "00" * 8}
    assert found["inputs"]["seed"] == content["fresh"][0]["seed"]
    assert found["outcomes"]["libcrypto"]["ok"]["value"] == own("suite1.json")["fresh"][0]["value"]


def test_command_makes_scenarios(invoke: Callable[..., SimpleNamespace]) -> None:
    result = invoke("--random", "2", "--seed", "s", "--backend", "libcrypto", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["seed"] == "s"
    assert {row["operation"]: row["cases"] for row in found["operations"]}["authority key"] == 2


def test_command_says_what_it_cannot_read(invoke: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"suite": 7')
    for name in (str(path), str(tmp_path / "nowhere.json")):
        result = invoke("--vectors", name, "--backend", "libcrypto")
        assert isinstance(result.error, Failure)
        assert result.error.code == 1


def test_a_backend_without_the_suite(invoke: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Package):
        def __init__(self) -> None:
            super().__init__("ccore", libcrypto)
            self.suites = (1,)

    monkeypatch.setitem(MAKERS, "ccore", Small)
    result = invoke("--vectors", str(OWN / "suite2.json"), "--backend", "ccore")
    assert "suite 2" in str(result.error)
    assert invoke("--vectors", str(OWN / "suite1.json"), "--backend", "ccore").code == 0


def test_no_micropython(
    invoke: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = invoke("--backend", "micropython")
    assert "MicroPython's Unix port is not here" in str(result.error)


def test_a_micropython_that_dies(
    invoke: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "micropython"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'ImportError: no module' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    result = invoke("--backend", "micropython")
    assert "ImportError: no module" in str(result.error)
    assert "make -C firmware/native" in str(result.error.hint)


def test_ctrl_c_ends_what_it_started(tmp_path: Path) -> None:
    script = (
        "import typer; from microseal_host.cli import crosscheck as c;"
        "app = typer.Typer(); app.command()(c.crosscheck); app()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "--random", "500", "--backend", "micropython"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while not children.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(children.read_text().split()[0])
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode in (1, 130), out
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert b"Traceback" not in out
