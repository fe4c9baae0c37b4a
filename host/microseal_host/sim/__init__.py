"""The simulated board: MicroPython processes on this machine, a real broker, and an attacker in between.

`python -m microseal_host.sim` is what `./flash.sh sim` hands over to.
"""
