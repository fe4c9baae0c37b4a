# What a firmware holds when the package is frozen into it (docs/native.md): bytecode that stays in flash and takes no heap.
# main.py is not among it: it lies on the board's file system, where it can be changed.
package("microseal", base_path="../..")
package("umqtt", base_path="../../../build/lib")  # as scripts/setup.sh downloads it
for name in ("readings", "board_care", "board_chip", "board_client", "board_crashes", "board_lamp", "board_lasting"):
    module(name + ".py", base_path="../..")
for name in ("board_run", "board_settings", "board_sleep", "board_trouble", "board_watchdog", "board_wifi"):
    module(name + ".py", base_path="../..")
