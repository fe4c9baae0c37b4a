"""Milliseconds as MicroPython counts them: they wrap, so only ticks_diff and ticks_add may look at them."""

try:
    from time import sleep_ms, ticks_add, ticks_diff, ticks_ms
except ImportError:  # CPython, where they do not wrap
    from time import monotonic, sleep

    def ticks_ms():
        return int(monotonic() * 1000)

    def ticks_add(ticks, ms):
        return ticks + ms

    def ticks_diff(ticks, since):
        return ticks - since

    def sleep_ms(ms):
        sleep(ms / 1000)


__all__ = ("sleep_ms", "ticks_add", "ticks_diff", "ticks_ms")
