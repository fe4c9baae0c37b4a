"""`microseal claim`: claims one by one and in batches, in files that only their owner can read."""

from __future__ import annotations

import csv
import json
import re
import stat
import time
from pathlib import Path

import pytest
import zxingcpp

from microseal.provisioning import install, load_broker
from microseal.store import Store
from microseal_host.authority import sheets
from microseal_host.failure import NEGATIVE, NOT_READY, USAGE
from test_cli import Desk, desk  # noqa: F401


@pytest.fixture
def office(desk: Desk) -> Desk:  # noqa: F811
    desk.run("init", "--broker", "broker.local")
    return desk


def private(path: str) -> Path:
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    return Path(path)


def scan(svg: str) -> str:
    """What a reader makes of a drawn code: its strokes, one module thick, painted four pixels a module."""
    scale = 4
    found = re.search(r'viewBox="0 0 (\d+) (\d+)".* d="([^"]+)"', svg)
    assert found is not None
    width, height = int(found[1]) * scale, int(found[2]) * scale
    pixels = bytearray(b"\xff" * (width * height))
    x = y = 0.0
    for stroke, numbers in re.findall(r"([Mmh])([-0-9. ]+)", found[3]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if stroke == "h":
            for row in range(int(y) * scale, (int(y) + 1) * scale):
                start = row * width + int(x) * scale
                pixels[start : start + int(values[0]) * scale] = bytes(int(values[0]) * scale)
            x += values[0]
        else:
            x, y = (values[0], values[1]) if stroke == "M" else (x + values[0], y + values[1])
    (code,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (height, width)))
    return code.text


def test_claims_of_a_few(office: Desk) -> None:
    made = office.json("claim", "create", "a", "b", "--valid-days", "30")
    assert [entry["claim_file"] for entry in made["claims"]] == ["a.claim.json", "b.claim.json"]
    assert all(abs(entry["not_after"] - time.time() - 30 * 86400) < 60 for entry in made["claims"])
    for name in "ab":
        document = json.loads(private(f"{name}.claim.json").read_text())
        assert document["id"] == name
    assert [device["id"] for device in office.json("device", "list")] == ["a", "b"]


def test_a_batch_in_a_table_and_on_a_page(office: Desk) -> None:
    made = office.json("claim", "create", "--count", "30", "--prefix", "pump-", "--csv", "t.csv", "--qr", "p.html")
    assert made["files"] == ["t.csv", "p.html"]
    assert list(made["claims"][0]) == ["id", "not_after"], "no claim files beside them"
    assert list(Path().glob("*.claim.json")) == []
    with private("t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"pump-{n:02d}" for n in range(1, 31)]
    assert tuple(rows[0]) == sheets.COLUMNS and rows[0]["expires"] == ""
    documents = [json.loads(row["claim"]) for row in rows]
    assert [document["id"] for document in documents] == [row["id"] for row in rows]
    assert len({document[name] for document in documents for name in ("claim", "seed")}) == 60
    page = private("p.html").read_text()
    assert re.findall(r"<figcaption>([^<]*)</figcaption>", page) == [row["id"] for row in rows]
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched to show it"
    codes = re.findall(r"<svg .*?</svg>", page)
    assert [scan(code) for code in codes] == [row["claim"] for row in rows]


def test_a_cell_is_a_claim_file(office: Desk) -> None:
    office.run("claim", "create", "a", "--csv", "t.csv", "--broker", "elsewhere:1900", "--valid-days", "1")
    with open("t.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["expires"])
    Path("state").mkdir()
    install(Store("state"), row["claim"])
    assert load_broker(Store("state")) == {"host": "elsewhere", "port": 1900}


def test_numbers_go_on_where_they_are_told(office: Desk) -> None:
    office.run("claim", "create", "--count", "3", "--prefix", "p", "--first", "9", "--directory", ".")
    assert [claim["id"] for claim in office.json("claim", "list")] == ["p09", "p10", "p11"]
    assert Path("p10.claim.json").exists()


def test_the_list_has_states_and_no_secrets(office: Desk) -> None:
    office.run("claim", "create", "a", "b", "--valid-days", "1")
    secret = json.loads(Path("a.claim.json").read_text())["claim"]
    office.run("claim", "revoke", "b")
    office.run("claim", "create", "a", "--again", "--force")
    listed = office.run("claim", "list")
    assert secret not in listed and "withdrawn" in listed
    assert [(claim["id"], claim["state"]) for claim in office.json("claim", "list")].count(("a", "withdrawn")) == 1
    assert [claim["id"] for claim in office.json("claim", "list", "--open")] == ["a"]
    assert all(set(claim) == {"id", "state", "made", "not_after", "used"} for claim in office.json("claim", "list"))


def test_all_or_none(office: Desk) -> None:
    office.run("device", "add", "p2")
    office.run("claim", "create", "--count", "3", "--prefix", "p", "--csv", "t", "--qr", "q", code=NEGATIVE)
    assert "--again" in office.said
    assert not Path("t").exists() and not Path("q").exists()
    assert [device["id"] for device in office.json("device", "list")] == ["p2"]
    Path("t").write_text("mine")
    office.run("claim", "create", "x", "--qr", "q", "--csv", "t", code=NEGATIVE)
    assert Path("t").read_text() == "mine" and not Path("q").exists()
    office.run("claim", "create", "x", "--csv", "t", "--force")
    private("t")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], USAGE, "--count"),
        (["a", "--count", "2"], USAGE, "either"),
        (["a", "--prefix", "p"], USAGE, "--count"),
        (["a", "a"], USAGE, "twice"),
        (["--count", "0"], USAGE, "--count"),
        (["--count", "2", "--prefix", "x" * 32], USAGE, "1 to 32"),
        (["a b"], USAGE, "A-Z a-z"),
        (["a", "--csv", "no/such/t.csv"], USAGE, "cannot write"),
        (["a", "--database", "none.db"], NOT_READY, "init"),
    ],
)
def test_what_cannot_be_made(office: Desk, words: list[str], code: int, says: str) -> None:
    out = office.run("claim", "create", *words, code=code)
    assert says in out + office.said
    assert office.json("device", "list") == []


def test_only_open_claims_are_taken_back(office: Desk) -> None:
    office.run("claim", "revoke", "a", code=NEGATIVE)
    assert "claim list" in office.said
    office.run("claim", "create", "a")
    assert office.json("claim", "revoke", "a") == [{"id": "a"}]
    office.run("claim", "revoke", "a", code=NEGATIVE)


def test_a_thousand(office: Desk) -> None:
    start = time.monotonic()
    office.run("claim", "create", "--count", "1000", "--prefix", "pump-", "--csv", "t.csv")
    print(f"1,000 claims in a table: {time.monotonic() - start:.1f} s")
    assert len(Path("t.csv").read_text().splitlines()) == 1001
    assert office.said.strip().endswith("1000 claims in t.csv")
