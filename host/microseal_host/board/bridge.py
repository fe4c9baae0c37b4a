"""The bridge: a board on a cable reaches the broker through it. See firmware/microseal/serial_frames.py for what goes over the cable.

A board can do no more with it than open a few connections to the one broker that the bridge was told; all that it sends is bounded.
What a broker sends reaches the board only inside of frames, which its REPL, should it come to that, executes nothing of.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import ssl
import time
from collections import deque
from collections.abc import Callable

import serial

from microseal import serial_frames as frames

from ..mqtt import Address
from .framing import Frame, Splitter
from .wire import explain_open

CHANNELS = 4
RECEIVE = 4096  # bytes of a channel that may be on their way to the broker
WINDOW = 64, 4096  # least and most that a board may have room for
BEAT = 4.0  # s without a frame to the board after which it is asked whether it is there
HELLO = 2.0, 20.0  # s between two attempts to reach a board, at first and later
CONNECT = 10.0  # s for a connection to the broker
OFTEN = 20, 10.0  # connections that may be begun within so many s: a board that runs wild is not the broker's trouble
_DOWN = 160  # bytes of payload in a frame to the board
_QUEUED = 64  # frames that wait for their turn
_LINE = 500  # characters of the longest line that is shown
_INTERRUPT = b"\x03"
_SOFT_RESET = b"\x04"
_FRIENDLY = b"\x02"  # ends a raw REPL, which would not echo; nothing else minds it


class _Gone(Exception):
    """The port is gone; the text says why."""


class Channel:
    """One connection to the broker."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self.number = number
        self.credit = 0  # bytes that the board takes
        self.granted = 0  # bytes that the board may still send
        self._unpaid = 0  # bytes taken since the last credit
        self._more = asyncio.Event()
        self._wrote = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        session, address = self._session, self._session.bridge.address
        await session.bridge.pace()
        try:
            async with asyncio.timeout(CONNECT):
                reader, self._writer = await asyncio.open_connection(address.host, address.port, ssl=session.bridge.tls)
        except (OSError, TimeoutError, UnicodeError) as error:  # the last: of a name that is none
            session.bridge.say(f"no connection to the broker at {address} ({error or 'no answer'})")
            await session.close(self, frames.REFUSED)
            return
        self._writer.transport.set_write_buffer_limits(high=0)
        session.bridge.count += 1
        await session.put(frames.OPEN, self.number)
        self.granted = RECEIVE
        await session.put(frames.CREDIT, self.number, RECEIVE.to_bytes(2, "big"))
        payer = asyncio.create_task(self._pay())
        try:
            while True:
                await self._more.wait()
                data = await reader.read(min(self.credit, _DOWN))
                if not data:
                    break
                self.credit -= len(data)
                if not self.credit:
                    self._more.clear()
                await session.put(frames.DATA, self.number, data)
        except OSError:
            pass  # reset by the broker
        finally:
            payer.cancel()
        await session.close(self, frames.ENDED)

    async def _pay(self) -> None:
        """Gives credit for what the broker has taken."""
        assert self._writer is not None
        with contextlib.suppress(OSError):
            while True:
                await self._wrote.wait()
                self._wrote.clear()
                await self._writer.drain()
                paid, self._unpaid = self._unpaid, 0
                self.granted += paid
                await self._session.put(frames.CREDIT, self.number, paid.to_bytes(2, "big"))

    def take_data(self, data: bytes) -> bool:
        """Bytes from the board; False if there was no credit for them."""
        if len(data) > self.granted or self._writer is None:
            return False
        self.granted -= len(data)
        self._unpaid += len(data)
        self._writer.write(data)
        self._wrote.set()
        return True

    def take_credit(self, payload: bytes) -> bool:
        if len(payload) != 2:
            return False
        self.credit = min(self.credit + int.from_bytes(payload, "big"), 0xFFFF)
        if self.credit:
            self._more.set()
        return True

    def end(self) -> None:
        """Closes the connection, when what was written has left."""
        self.task.cancel()
        if self._writer is not None:
            self._writer.close()


class Session:
    """Frames in order, both ways, between one start of a board's client and its end."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.id = os.urandom(4)
        self.window = 0  # 0: the board has not answered yet
        self.channels: dict[int, Channel] = {}
        self._seq = self._expected = 0
        self._queue: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue(_QUEUED)
        self._flying: deque[tuple[int, int, float]] = deque()  # (seq, bytes, when): not acknowledged
        self._landed = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    def begin(self, window: int) -> None:
        self.window = max(WINDOW[0], min(window, WINDOW[1]))
        self._sender = asyncio.create_task(self._send())

    def end(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
        for channel in self.channels.values():
            channel.end()
        self.channels.clear()

    async def put(self, kind: int, channel: int, payload: bytes = b"") -> None:
        await self._queue.put((kind, channel, payload))

    async def close(self, channel: Channel, reason: int) -> None:
        """Tells the board that a connection has ended."""
        if self.channels.pop(channel.number, None) is channel:
            await self.put(frames.CLOSE, channel.number, bytes((reason,)))
            channel.end()

    async def _send(self) -> None:
        """The frames in the queue, as the board has room for them; a beat where there are none."""
        while True:
            try:
                async with asyncio.timeout(BEAT):
                    kind, channel, payload = await self._queue.get()
            except TimeoutError:
                if self._flying:
                    continue  # it has one to answer
                kind, channel, payload = frames.BEAT, 0, b""
            length = frames.wire_length(len(payload))
            while self._flying and sum(entry[1] for entry in self._flying) + length > self.window:
                self._landed.clear()
                await self._landed.wait()
            seq, self._seq = self._seq, (self._seq + 1) & 0xFF
            self._flying.append((seq, length, time.monotonic()))
            try:
                self.bridge.write(frames.encode(self.id, kind, channel, seq, 0, payload))
            except _Gone:
                return  # whoever reads the port finds out as well

    @property
    def silence(self) -> float:
        """For how long the board owes an answer, s."""
        return time.monotonic() - self._flying[0][2] if self._flying else 0.0

    def take(self, frame: Frame) -> bool:
        """A frame of this session; False if the board does not keep to the rules, or bytes were lost."""
        _, number, seq, ack = frame.body[:4]
        if seq != self._expected:
            return False
        self._expected = (self._expected + 1) & 0xFF
        if (self._seq - ack) & 0xFF > len(self._flying):
            return False
        while self._flying and self._flying[0][0] != ack:
            self._flying.popleft()
        self._landed.set()
        payload, channel = frame.payload, self.channels.get(number)
        if frame.kind == frames.BEAT:
            return True
        if self._queue.full():
            return False
        if frame.kind == frames.OPEN:
            if channel is not None:
                return False
            if len(self.channels) >= CHANNELS:
                self._queue.put_nowait((frames.CLOSE, number, bytes((frames.WRONG,))))
            else:
                self.channels[number] = Channel(self, number)
            return True
        if channel is None:
            return True  # it was closed here, and the board did not know yet
        if frame.kind == frames.CLOSE:
            del self.channels[number]
            channel.end()
            return True
        if frame.kind == frames.DATA and channel.take_data(payload):
            return True
        if frame.kind == frames.CREDIT and channel.take_credit(payload):
            return True
        del self.channels[number]
        channel.end()
        self._queue.put_nowait((frames.CLOSE, number, bytes((frames.WRONG,))))
        return True

    def say_bye(self) -> None:
        if self.window:
            self.bridge.write(frames.encode(self.id, frames.BYE, 0, self._seq, 0))


class Bridge:
    """port: the board's; address: the one broker that it reaches; tls: for the way from here to the broker.

    say: is told what happens; show: is given what the board prints, text of which any character may be in it. silence: s without an
    answer after which a board counts as gone, and its connections are closed; start: whether a board that is at its prompt is to
    run its main.py; stop: whether it is interrupted at the end, and left at its prompt.
    """

    def __init__(
        self,
        port: str,
        address: Address,
        say: Callable[[str], object],
        show: Callable[[str], object],
        tls: ssl.SSLContext | None = None,
        silence: float = 90.0,
        start: bool = True,
        stop: bool = False,
    ) -> None:
        self.port = port
        self.address = address
        self.tls = tls
        self.say = say
        self.count = 0  # connections made to the broker
        self._show = show
        self._silence = silence
        self._start = start
        self._stop = stop
        self._raw: serial.SerialBase | None = None
        self._session: Session | None = None
        self._begun: deque[float] = deque(maxlen=OFTEN[0])  # when connections were
        self._recent: deque[bytes] = deque(maxlen=8)  # ids of sessions
        self._line = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_prompt = False
        self._started = False

    async def run(self) -> None:
        """Until it is cancelled. A board that is unplugged is waited for; BoardError where the port never was to be had."""
        self._raw = self._open()
        if self._raw is None:
            raise explain_open(self.port)
        while True:
            try:
                await self._serve()
            except _Gone as error:
                self.say(f"the board is gone ({error}); waiting for {self.port}")
            finally:
                self._close()
            while (raw := self._open()) is None:
                await asyncio.sleep(0.5)
            self._raw = raw
            self.say("the board is back")

    async def pace(self) -> None:
        """Until another connection may be begun."""
        loop = asyncio.get_running_loop()
        while len(self._begun) == OFTEN[0] and (left := self._begun[0] + OFTEN[1] - loop.time()) > 0:
            await asyncio.sleep(left)
        self._begun.append(loop.time())

    def _open(self) -> serial.SerialBase | None:
        try:
            return serial.serial_for_url(self.port, timeout=0, write_timeout=2, exclusive=True)
        except (OSError, ValueError):
            return None

    def _close(self) -> None:
        if self._raw is not None:
            if self._session is not None:
                with contextlib.suppress(_Gone):
                    if self._stop:
                        self.write(_INTERRUPT)  # which overtakes a frame: that would stand at the prompt then
                    else:
                        self._session.say_bye()
            with contextlib.suppress(OSError):
                self._raw.close()
            self._raw = None
        self._end_session()

    def write(self, data: bytes) -> None:
        if self._raw is None:
            return
        try:
            self._raw.write(data)
        except serial.SerialTimeoutException:
            pass  # the frame is broken; the gap ends the session
        except OSError as error:
            raise _Gone(error) from None

    async def _serve(self) -> None:
        """One plugged-in board."""
        assert self._raw is not None
        loop, raw = asyncio.get_running_loop(), self._raw
        gone: asyncio.Future[None] = loop.create_future()
        splitter = Splitter()
        self._at_prompt = self._started = False

        descriptor = raw.fileno()

        def end(error: Exception) -> None:
            loop.remove_reader(descriptor)
            if not gone.done():
                gone.set_exception(error)

        def read() -> None:
            try:
                data = raw.read(65536)
            except (OSError, TypeError) as error:  # TypeError: pyserial, on a port that was closed
                end(_Gone(error))
                return
            try:
                for part in splitter.feed(data):
                    if isinstance(part, Frame):
                        self._take(part)
                    else:
                        self._print(part)
            # Also whoever reads what is shown may be gone, which is no matter of the board's: it ends the bridge.
            except Exception as error:
                end(error)

        loop.add_reader(descriptor, read)
        keeper = asyncio.create_task(self._keep())
        try:
            done, _ = await asyncio.wait({gone, keeper}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            keeper.cancel()
            loop.remove_reader(descriptor)
            self._print(b"\n" if self._line else b"")

    async def _keep(self) -> None:
        """Reaches for the board until it answers, and again when it does so no longer."""
        pause = HELLO[0]
        self.write(_FRIENDLY)
        while True:
            session = self._session
            if session is None:
                session = self._session = Session(self)
            if not session.window:
                if not self._at_prompt:
                    hello = bytes((frames.VERSION,)) + session.id
                    self.write(frames.encode(frames.NO_SESSION, frames.HELLO, 0, 0, 0, hello))
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, HELLO[1])
            else:
                pause = HELLO[0]
                await asyncio.sleep(0.5)
                if self._session is session and session.silence > self._silence:
                    self.say(f"the board has not answered for {self._silence:g} s; its connections are closed")
                    self._end_session()

    def _end_session(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None

    def _renew_session(self) -> None:
        """A session of its own for a board that asks for one; the one that it has not answered yet will do."""
        if self._session is None or self._session.window:
            self._end_session()
            self._session = Session(self)
        hello = bytes((frames.VERSION,)) + self._session.id
        self.write(frames.encode(frames.NO_SESSION, frames.HELLO, 0, 0, 0, hello))

    def _take(self, frame: Frame) -> None:
        session = self._session
        if not any(frame.is_of(known) for known in (frames.NO_SESSION, *self._recent)):
            self._print(frame.text)  # it only looks like one
        elif frame.is_echo:
            self._found_prompt()
        elif frame.kind == frames.HELLO:
            if len(frame.payload) not in (5, 7):
                return
            if frame.payload[0] != frames.VERSION:
                self.say("the board's package is of another version: update it with ./flash.sh")
                return
            self._at_prompt = False
            if frame.payload[1:5] == frames.NO_SESSION:
                self._renew_session()
            elif session is not None and not session.window and frame.payload[1:5] == session.id:
                self._recent.append(session.id)
                session.begin(int.from_bytes(frame.payload[5:], "big"))
                self.say(f"the board is connected, and reaches {self.address}")
        elif session is not None and session.window and frame.is_of(session.id) and not session.take(frame):
            self.say("bytes were lost on the cable; beginning anew")
            self._renew_session()

    def _found_prompt(self) -> None:
        """The board echoes frames: nothing runs there but its REPL."""
        if self._at_prompt:
            return
        self._at_prompt = True
        self._end_session()
        # The frames stand in its input line.
        self.write(_INTERRUPT)
        if self._start and not self._started:
            self._started = True
            self.say("the board is at its prompt; starting its main.py")
            self.write(_SOFT_RESET)
        else:
            self.say("the board is at its prompt; press its RESET button to start it")

    def _print(self, data: bytes) -> None:
        for piece in self._decoder.decode(data).replace("\r", "").splitlines(keepends=True):
            self._line += piece
            while "\n" in self._line or len(self._line) > _LINE:
                line, self._line = self._line[:_LINE], self._line[_LINE:]
                if line.endswith("\n"):
                    line = line[:-1]
                self._show(line)
