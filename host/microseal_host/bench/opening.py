"""Messages that a member on this host opens in a second: in one process, and in several that share the senders among them.

A message goes the whole way: policy, time, roster, replay window, signature, decryption. Several processes have to share by sender,
for the replay window of a sender is one; how they do is the application's: by topic, as a rule.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from types import SimpleNamespace

from microseal import crypto
from microseal_host.attacks.world import Device, World
from microseal_host.backends import libcrypto

SUITE = 1
SENDERS = 8
MODES = (1, 2, 3)
MESSAGE = b"21.5 C, 47 %, 1013 hPa, ok"
# What the time of the core's functions is counted as; all else is the interpreter's.
PARTS = {"verify": "signatures", "ecdh": "key agreement", "hkdf": "key agreement", "gcm_open": "decryption"}

Sealed = list[tuple[bytes, bytes]]  # topic, envelope


@dataclass(frozen=True)
class Opened:
    """processes: how many at once; per_second: of all of them together, by the wall's clock; per_cpu_second: of one core's time."""

    mode: int
    processes: int
    per_second: float
    per_cpu_second: float


@contextmanager
def plant(mode: int, count: int) -> Iterator[tuple[Device, Sealed]]:
    """A member and `count` fresh messages of several senders for it, in the order in which they were sealed."""
    with World(SUITE) as world:
        senders = [world.enrol(f"pump-{i}") for i in range(SENDERS)]
        desk = world.enrol("desk", senders=max(count, 64))  # mode 3 remembers four messages for each
        world.form("plant", senders, [desk], mode=mode, topics=["plant/#"])
        world.settle()
        world.advance(60)  # mode 3 rounds its time down, which must not lie before the start
        topics = [f"plant/{i}/level".encode() for i in range(SENDERS)]
        for sender, topic in zip(senders, topics, strict=True):
            # The first one has the receiver fetch the sender's certificate.
            sender.publish(topic.decode(), MESSAGE)
            world.settle()
        yield (
            desk,
            [
                (topics[i % SENDERS], bytes(senders[i % SENDERS].member.seal(topics[i % SENDERS], MESSAGE)))
                for i in range(count)
            ],
        )


def measure(mode: int, processes: int, count: int) -> Opened:
    """Opens `count` messages once, shared by sender among forked processes."""
    with plant(mode, count) as (desk, sealed):
        fork = multiprocessing.get_context("fork")
        start, end = fork.Barrier(processes + 1), fork.Barrier(processes + 1)
        spent = fork.Value("d", 0.0)  # s of processor time
        shares = [[sealed[k] for k in _share(n, processes, count)] for n in range(processes)]
        workers = [fork.Process(target=_open, args=(desk, share, start, end, spent)) for share in shares]
        for worker in workers:
            worker.start()
        start.wait(60)
        began = time.perf_counter()
        with suppress(BrokenBarrierError):  # a worker that fails breaks it
            end.wait(600)
        took = time.perf_counter() - began
        for worker in workers:
            worker.join()
            if worker.exitcode:
                raise RuntimeError("a process could not open a message")
        return Opened(mode, processes, count / took, count / spent.value)


def _share(worker: int, processes: int, count: int) -> list[int]:
    return [k for k in range(count) if k % SENDERS % processes == worker]


def _open(desk: Device, sealed: Sealed, start: Barrier, end: Barrier, spent: Synchronized[float]) -> None:
    opened = desk.member.open
    start.wait(60)
    began = time.process_time()
    good = sum(opened(topic, raw).payload == MESSAGE for topic, raw in sealed)
    if good != len(sealed):
        end.abort()
        os._exit(1)
    with spent.get_lock():
        spent.value += time.process_time() - began
    end.wait(600)


def profile(mode: int, count: int) -> dict[str, float]:
    """Where the time of opening goes, in parts of 1: one for each kind of work in the core, and the interpreter."""
    spent = dict.fromkeys(PARTS.values(), 0.0)
    clock = time.perf_counter

    def timed(name: str):
        call, part = getattr(libcrypto, name), PARTS[name]

        def run(*arguments: object) -> object:
            began = clock()
            try:
                return call(*arguments)
            finally:
                spent[part] += clock() - began

        return run

    everything = {name: getattr(libcrypto, name) for name in dir(libcrypto) if not name.startswith("_")}
    with plant(mode, count) as (desk, sealed):
        before = crypto.core
        crypto.use(SimpleNamespace(**everything | {name: timed(name) for name in PARTS}))
        try:
            began = clock()
            for topic, raw in sealed:
                desk.member.open(topic, raw)
            took = clock() - began
        finally:
            crypto.use(before)
    parts = {part: seconds / took for part, seconds in spent.items() if seconds}
    return {**parts, "interpreter": 1 - sum(parts.values())}
