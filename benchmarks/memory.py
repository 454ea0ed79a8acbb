"""How much memory a benchmark's process takes."""

import resource
import sys
from pathlib import Path


def peak() -> float:
    """The most memory that this process has had, in MB."""
    if sys.platform == "linux":  # where ru_maxrss counts what the parent had
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
