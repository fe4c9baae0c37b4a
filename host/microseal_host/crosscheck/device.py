"""The cross-check's end on a device: a JSON line [operation, inputs] in, a JSON line with the outcome out. Runs in MicroPython."""

import json
import sys

from microseal import crypto
from microseal_host.crosscheck.operations import run


def serve():
    """Answers until the input ends. The first line out says which suites the core has."""
    print(json.dumps({"suites": list(crypto.require().SUITES)}))
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        name, values = json.loads(line)
        print(json.dumps(run(name, values)))


if __name__ == "__main__":
    serve()
