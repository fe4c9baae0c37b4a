"""What the simulation starts ends with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from microseal_host.sim.children import ChildFailed, Children


def ended(pid: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            # Where nobody reaps orphans (a container without an init) a dead one keeps its entry.
            return True
        time.sleep(0.02)
    return False


def test_stop_ends_a_process_that_ignores_sigterm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Children, "GRACE", 0.2)
    with Children() as children:
        child = children.start(
            "stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "log"
        )
        while "up" not in child.log_tail():
            time.sleep(0.01)
        pid = child.process.pid
    assert ended(pid)


def test_stop_ends_what_a_child_started(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("parent", ["sh", "-c", "sleep 100 & echo $!; wait"], tmp_path / "log")
        while not child.log_tail().strip():
            time.sleep(0.01)
        grandchild = int(child.log_tail())
        assert not ended(grandchild, within=0.1)
    assert ended(grandchild)


def test_check_names_the_process_its_code_and_its_last_words(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("broken", ["sh", "-c", "echo no such thing; exit 3"], tmp_path / "log")
        child.process.wait(5)
        with pytest.raises(ChildFailed, match=r"broken ended with exit code 3(.|\n)*no such thing"):
            children.check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_children_end_when_the_parent_is_signalled(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from microseal_host.sim.children import Children, stop_on_signals\n"
        "stop_on_signals()\n"
        "with Children() as children:\n"
        "    child = children.start('sleeper', ['sleep', '100'], Path(sys.argv[1]))\n"
        "    print(child.process.pid, flush=True)\n"
        "    time.sleep(100)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.1)  # setpriv has become the sleeper by then
        os.kill(parent.pid, number)
        parent.wait(10)
    finally:
        parent.kill()
        parent.wait()
    assert ended(pid)
