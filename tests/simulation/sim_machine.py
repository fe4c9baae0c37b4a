"""The state machine: what may happen in a deployment, in any order, as hypothesis chooses it."""

from __future__ import annotations

import sys
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sim_deployment import HOUR, KINDS, MODES, Deployment
from sim_network import Weather

from microseal.policy import QUERY, STATE

_devices = st.integers(0, 255)
_modes = st.sampled_from(MODES)
_kinds = st.sampled_from(KINDS)
_bytes = st.integers(0, 255)
_waits = st.sampled_from((1, 2, 5, 20, 65, 130, 700, HOUR, 6 * HOUR, 12 * HOUR))
_weathers = st.sampled_from(
    (
        Weather(),
        Weather(loss=0.1),
        Weather(loss=0.5),
        Weather(double=0.3),
        Weather(delay=0.3),
        Weather(loss=0.1, double=0.1, delay=0.1),
        Weather(loss=1.0),
        Weather(without=b"/info"),
        Weather(without=b"/key/"),
    )
)
_wishes = st.sampled_from(("join", "join", "leave", "leave", "revoke", "claim", "policy"))
_CHOICES = 64 * 1024  # that one run may make: hypothesis's own limit of 8,192 ends it after some 400 steps
_CALM = 40  # steps, at least, between two looks whether all are well


def make_machine(suite: int, members: int) -> type[RuleBasedStateMachine]:
    """A machine class for deployments of this many devices. `slowest`: s until all were well again, over all of its runs."""

    class Machine(RuleBasedStateMachine):
        slowest = 0.0
        steps = 0
        fresh = 0
        stale = 0
        epochs = 0
        signers = 0

        @initialize(seed=st.integers(0, 2**16 - 1))
        def found(self, seed: int) -> None:
            self.deployment = Deployment(suite, members, seed).__enter__()
            self.calm = 0

        def teardown(self) -> None:
            deployment = getattr(self, "deployment", None)
            if deployment is None:
                return
            try:
                if sys.exception() is None:
                    deployment.check_all_well()
            finally:
                kind = type(self)
                kind.slowest = max(kind.slowest, deployment.slowest)
                kind.fresh += deployment.truth.delivered["fresh"]
                kind.stale += deployment.truth.delivered["stale"]
                kind.signers += deployment.office.signers
                kind.epochs += sum(len(made) for made in deployment.truth.made.values())
                deployment.__exit__()

        def check_invariants(self, *arguments: object, **named: object) -> None:
            self.calm = getattr(self, "calm", 0) + 1
            type(self).steps += 1
            super().check_invariants(*arguments, **named)

        @rule(device=_devices, mode=_modes, kind=_kinds, more=_bytes)
        def speak(self, device: int, mode: int, kind: int, more: int) -> None:
            self.deployment.speak(device, mode, kind, more)

        @rule(first=_devices, count=st.integers(2, 8), mode=_modes, kind=_kinds)
        def speak_at_once(self, first: int, count: int, mode: int, kind: int) -> None:
            for number in range(count):
                self.deployment.speak(first + number, mode, kind, number)

        @rule(device=_devices, mode=_modes, kind=_kinds, late=st.booleans())
        def intrude(self, device: int, mode: int, kind: int, late: bool) -> None:
            self.deployment.intrude(device, mode, kind, late)

        @rule(what=_wishes, device=_devices, mode=_modes, more=_bytes)
        def wish(self, what: str, device: int, mode: int, more: int) -> None:
            self.deployment.wish(what, device, mode, more)
            self.deployment.pump()

        @rule(
            what=st.sampled_from(("leave", "leave", "revoke")),
            device=_devices,
            mode=_modes,
            state=st.sampled_from((0, STATE)),
            held_back=st.booleans(),
        )
        def part(self, what: str, device: int, mode: int, state: int, held_back: bool) -> None:
            """Somebody who was heard has to go, does not want to know of it, and says one thing more in either direction.

            held_back: the broker holds back the info of the epoch without it until then.
            """
            deployment = self.deployment
            weather = deployment.network.weather
            for direction in (0, QUERY):
                deployment.speak(device, mode, direction | state, 0)
            if held_back:
                deployment.network.weather = Weather(without=b"/info")
            deployment.wish(what, device, mode, 0)
            deployment.pump()
            for direction in (0, QUERY):
                deployment.intrude(device, mode, direction | state, True)
            deployment.network.weather = weather

        @rule(wishes=st.lists(st.tuples(_wishes, _devices, _modes, _bytes), min_size=2, max_size=4))
        def wish_at_once(self, wishes: list[tuple[str, int, int, int]]) -> None:
            for wish in wishes:
                self.deployment.wish(*wish)
            self.deployment.pump()

        @rule(approve=st.booleans())
        def decide(self, approve: bool) -> None:
            self.deployment.decide(approve)

        @rule(seconds=_waits)
        def wait(self, seconds: int) -> None:
            self.deployment.advance(seconds)

        @rule(weather=_weathers)
        def change_weather(self, weather: Weather) -> None:
            self.deployment.network.weather = weather

        @rule(device=_devices, number=st.integers(0, 2**16 - 1))
        def replay(self, device: int, number: int) -> None:
            self.deployment.replay(device, number)

        @rule(count=st.integers(1, 60))
        def repeat(self, count: int) -> None:
            self.deployment.repeat(count)

        @rule(device=_devices)
        def restart(self, device: int) -> None:
            self.deployment.restart(device)

        @rule(device=_devices, hours=st.sampled_from((0, 1, 30)))
        def unplug(self, device: int, hours: int) -> None:
            """For a moment, or for several epochs of the others."""
            station = self.deployment.station(device)
            station.disconnect()
            self.deployment.advance(hours * HOUR)

        @rule(device=_devices)
        def plug_in(self, device: int) -> None:
            station = self.deployment.station(device)
            if not station.online:
                station.connect()
                self.deployment.pump()

        @rule(device=_devices, seconds=st.integers(-50, 50))
        def step_clock(self, device: int, seconds: int) -> None:
            self.deployment.step_clock(device, seconds)

        @precondition(lambda self: self.deployment.office.running)
        @rule(during=st.booleans())
        def stop_authority(self, during: bool) -> None:
            self.deployment.office.stop(during)

        @precondition(lambda self: not self.deployment.office.running)
        @rule()
        def start_authority(self) -> None:
            self.deployment.office.start()
            self.deployment.pump()

        @precondition(lambda self: self.calm >= _CALM)
        @rule()
        def all_is_well(self) -> None:
            self.deployment.check_all_well()
            self.calm = 0

    return Machine


def run(machine: type[RuleBasedStateMachine], examples: int, steps: int, shrink: bool = True) -> None:
    """Runs it; the same examples every time, so a failure comes again with the same command. Raises what the machine raised."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    with mock.patch.object(engine, "BUFFER_SIZE", _CHOICES):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                derandomize=True,
                database=None,
                deadline=None,
                phases=phases,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
