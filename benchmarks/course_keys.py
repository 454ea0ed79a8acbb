"""How long `parse_keys` takes a key, next to one plain `re.match` a key. Run it by hand."""

import re
from collections.abc import Callable
from time import perf_counter

import pandas as pd

from catalog_pipeline.rules.course_keys import parse_keys

PART = r"[\w~.:-]+"
PLAIN = re.compile(rf"course-v1:({PART})\+({PART})\+({PART})\Z")


def realistic(size: int) -> pd.Series:
    """`size` distinct keys: of each twenty, sixteen runs and one each legacy, ccx, with a branch, and broken."""
    rare = ["MITx/6.{0}x/2T2014", "ccx-v1:edX+DemoX.{0}+1T2025+ccx@{0}"]
    rare += ["course-v1:edX+DemoX.{0}+1T2025+branch@draft-branch", "edX+DemoX.{0}"]
    forms = ["course-v1:Org.Sub+CS-{0}.x+{1}T2025a"] * 16 + rare
    return pd.Series([forms[i % 20].format(i, i % 3 + 1) for i in range(size)], dtype="str")


def best_of_five(work: Callable[[], object]) -> float:
    """Seconds of the fastest of five runs."""
    seconds = []
    for _ in range(5):
        start = perf_counter()
        work()
        seconds.append(perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Print one line for each number of keys."""
    print(f"{'keys':>9} {'seconds':>9} {'µs/key':>7} {'re.match µs/key':>16} {'ratio':>6}")
    for size in (1, 1_000, 10_000, 100_000, 1_000_000):
        keys = realistic(size)
        listed = keys.tolist()
        ours = best_of_five(lambda keys=keys: parse_keys(keys))
        plain = best_of_five(lambda listed=listed: [PLAIN.match(key) for key in listed])
        print(f"{size:>9,} {ours:>9.4f} {ours / size * 1e6:>7.2f} {plain / size * 1e6:>16.2f} {ours / plain:>6.2f}")


if __name__ == "__main__":
    main()
