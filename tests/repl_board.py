"""A board's REPL on MicroPython's Unix port: repl_board.py, with a PTY as its console and its directory as its flash.

The Unix port has no raw REPL; this is one, by exec, as MicroPython's reference has it (raw-paste mode too), on the same interpreter
that real boards have. As a board does it runs main.py at its start, and again after each soft reset out of the friendly REPL.
"""

import gc
import sys

WINDOW = 64  # bytes that raw-paste mode takes before it says that it wants more

BANNER = b"raw REPL; CTRL-B to exit\n>"

sys.path[0] = ""  # a board has its own files there, not those of this folder
boot_modules = set(sys.modules)
byte = bytearray(1)


def say(text):
    sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)


def key():
    """The next byte of the console; 3 for Ctrl-C, which arrives as an interrupt."""
    while True:
        try:
            if not sys.stdin.buffer.readinto(byte):
                sys.exit()
            return byte[0]
        except KeyboardInterrupt:
            return 3


def run(code, names):
    """Runs code and prints what it raised; whether it ended by itself."""
    try:
        exec(code, names)
    except SystemExit:
        raise
    except BaseException as error:
        return error
    return None


def run_main(names):
    try:
        with open("main.py") as file:
            code = file.read()
    except OSError:
        return
    try:
        try:
            error = run(code, names)
        except SystemExit:
            error = None
        if error is not None:
            sys.print_exception(error)
    except KeyboardInterrupt:
        pass


def fresh():
    """The names of a board that has just started: the modules are loaded anew as well."""
    for name in list(sys.modules):
        if name not in boot_modules:
            del sys.modules[name]
    gc.collect()
    return {"__name__": "__main__"}


def take_pasted():
    """The code that comes in raw-paste mode."""
    say(b"R\x01" + bytes((WINDOW & 0xFF, WINDOW >> 8)) + b"\x01")
    code, left = bytearray(), 2 * WINDOW
    while True:
        got = key()
        if got == 3:
            return None
        if got == 4:
            say(b"\x04")
            return code
        code.append(got)
        left -= 1
        if left <= WINDOW:
            say(b"\x01")
            left += WINDOW


def raw(names):
    """The raw REPL; returns the names when it was left by Ctrl-B."""
    say(b"\n" + BANNER)
    while True:
        try:
            return talk_raw(names)
        except KeyboardInterrupt:
            pass


def talk_raw(names):
    code = bytearray()
    while True:
        got = key()
        if got == 1:
            say(b"\n" + BANNER)
            code = bytearray()
        elif got == 2:
            say(b"\n")
            return names
        elif got == 3:
            code = bytearray()
        elif got == 5 and not code:
            if (key(), key()) != (65, 1):
                continue
            code = take_pasted()
            if code is not None:
                answer(code, names)
            code = bytearray()
        elif got == 4:
            say(b"OK")
            if not code:
                say(b"\nMPY: soft reboot\n" + BANNER)
                names = fresh()
                continue
            answer(code, names)
            code = bytearray()
        else:
            code.append(got)


def answer(code, names):
    error = run(code.decode(), names)
    say(b"\x04")
    if error is not None:
        sys.print_exception(error)
    say(b"\x04>")


def friendly(names):
    while True:
        say(b"\n>>> ")
        line = bytearray()
        while True:
            got = key()
            if got == 1:
                names = raw(names)
                break
            if got == 2 or got == 3:
                break
            if got == 4 and not line:
                say(b"\nMPY: soft reboot\n")
                names = fresh()
                run_main(names)
                break
            if got == 13:
                say(b"\n")
                error = run(line.decode(), names)
                if error is not None:
                    sys.print_exception(error)
                break
            line.append(got)
            say(bytes((got,)))  # as a REPL does


names = None
while True:
    try:
        if names is None:
            say(b"\nMPY: started\n")
            names = fresh()
            run_main(names)
        friendly(names)
    except KeyboardInterrupt:
        pass  # between two bytes
