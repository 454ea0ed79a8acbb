"""Runs one program, and kills it with all that it started when the process that asked for it ends.

    python -I keeper.py PROGRAM [ARGUMENT ...]

The process that asks gives a pipe as standard input and a session of its own. The kernel closes the pipe however that
process ends, SIGKILL included: so nothing outlives it, not even what the program has started in its turn.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the program of the command line. Returns its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_to_the_program)  # the whole group gets it
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_watch, daemon=True).start()
    return program.wait()


def _watch() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a waiting thread would hold at the end of this process
        pass
    os.killpg(0, signal.SIGKILL)


def _leave_to_the_program(_signal: int, _frame: object) -> None:
    """A handler, because an ignored signal would be ignored by the program too."""


if __name__ == "__main__":
    sys.exit(main())
