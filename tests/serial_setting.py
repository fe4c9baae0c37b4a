"""A bridge that runs, and a board that talks plain MQTT through its cable, for the tests of the bridge."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from microseal_host.board.bridge import Bridge
from microseal_host.mqtt import Address

# A counter goes round by the broker: what was sent is what comes back, in order, or is sent again.
ROUND_TRIPS = """
import time
from umqtt.simple import MQTTException
from microseal.serial import cable
from microseal.transport import Transport


class Client(Transport):
    def _open(self, ms):
        return cable().open(ms)


def heard(topic, payload):
    print("heard", payload[:8].decode())


client = Client("{name}", "", keepalive=60, timeout=2, backoff=0.1, backoff_max=0.2)
client.set_callback(heard)
while True:
    try:
        client.connect(False)  # what is on its way when a connection is lost comes again
        break
    except (OSError, MQTTException) as error:
        print("not connected", error)
        time.sleep_ms(100)
client.subscribe(b"{name}/#", 1)
print("connected")
count = 0
while True:
    try:
        client.publish(b"{name}/t", b"%08d" % count + b"~!" * {size}, qos=1)
        count += 1
        for _ in range(4):
            client.check_msg()
    except (OSError, MQTTException) as error:
        print("lost", error)
    time.sleep_ms(10)
"""


class RunningBridge:
    """A bridge in a thread. said: what it told; shown: the lines that the board printed."""

    def __init__(self, port: str, address: Address, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self.said: list[str] = []
        self.shown: list[str] = []
        self.bridge = Bridge(port, address, self.said.append, self.shown.append, tls, **settings)
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._task = self._loop.create_task(self.bridge.run())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self._loop.run_until_complete(asyncio.sleep(0.01))
            self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            assert self._task is not None
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def printed(self, text: str) -> int:
        """How many of the board's lines have the text in them."""
        return sum(text in line for line in list(self.shown))

    def told(self, text: str) -> int:
        return sum(text in line for line in list(self.said))


def until(done: Callable[[], object], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
