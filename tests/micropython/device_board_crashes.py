"""The count of crashes: what it costs the flash, and that no cut of its writes loses it or makes it up."""

from device_support import files_of, fresh_directory

from board_crashes import MOST, TEXT, Crashes, describe
from microseal.errors import StorageError
from microseal.store import Store


class Counting(Store):
    """A Store that counts its writes."""

    writes = 0

    def _write(self, *arguments):
        self.writes += 1
        super()._write(*arguments)


def test_flash_is_written_by_crashes_alone():
    store = Counting(fresh_directory())
    for _ in range(10):
        crashes = Crashes(store)
        crashes.well()
    assert store.writes == 0
    for count in range(1, MOST + 1):
        crashes = Crashes(store)
        assert not crashes.too_many
        crashes.note(f"text {count}")
        assert store.writes == count
    assert crashes.too_many and Crashes(store).too_many
    assert Crashes(store).text == f"text {MOST}"
    crashes.well()
    crashes.well()
    assert store.writes == MOST + 2
    assert Crashes(store).count == 0 and Crashes(store).text == ""


def test_the_text_is_bounded_and_keeps_its_end():
    directory = fresh_directory()
    for text in ("x" * 100000 + "the end", "ü" * 100000 + "the end"):
        Crashes(Store(directory)).note(text)
        assert max(len(content) for content in files_of(directory).values()) <= TEXT + 50
        assert Crashes(Store(directory)).text.endswith("the end")
    crashes = Crashes(Store(directory))
    for _ in range(300):
        crashes.note("")
    assert Crashes(Store(directory)).count == 255


def test_a_state_that_cannot_be_written_or_read():
    class Full(Store):
        def _write(self, *arguments):
            raise StorageError("no room")

        def load(self, name):
            raise StorageError("cannot read")

    crashes = Crashes(Full(fresh_directory()))
    for _ in range(MOST):
        crashes.note("again")
    assert crashes.too_many
    crashes.well()
    assert not Crashes(Store(fresh_directory() + "/nowhere")).count


def test_a_record_of_anything():
    directory = fresh_directory()
    for content in (b"\x02\xff\xfe", b"\x02"):
        Store(directory).save("crash", content)
        crashes = Crashes(Store(directory))
        assert crashes.count == 2 and crashes.text == ""


def test_a_traceback():
    try:
        {}["pump"]
    except KeyError as error:
        assert "KeyError" in describe(error) and "pump" in describe(error)
