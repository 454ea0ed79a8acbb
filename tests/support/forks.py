"""Processes that are forked from one that has imported the code already: each begins in milliseconds.

A process of its own, with its environment, working folder and files, but for the one or two seconds of imports.
"""

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        # Whatever verbs import, but for the module `definitions`, which reads the settings when it is imported.
        "assets.marts",
        "catalog_pipeline.cli",
        "catalog_pipeline.cli.night",
        "catalog_pipeline.cli.output",
        "catalog_pipeline.cli.partner_output",
        "catalog_pipeline.queries.doctor",
        "catalog_pipeline.queries.explain",
        "catalog_pipeline.replication.refresh",
        "catalog_pipeline.sample.server",
        "catalog_pipeline.site.pages",
    ]
)


def run_command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], files: Sequence[Path], seconds: float
) -> int:
    """Run `catalog-pipeline` with the files as standard input, output and error. Returns its exit status.

    A command that takes longer is killed, and fails the test.
    """
    process = start_command(arguments, folder, environment, files)
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"catalog-pipeline {' '.join(arguments)} did not end in {seconds} seconds")
    return process.exitcode


def start_command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], files: Sequence[Path]
) -> BaseProcess:
    """Start `catalog-pipeline`, for a test that kills it or acts while it runs."""
    process = FORKS.Process(target=_command, args=(list(arguments), folder, dict(environment), list(files)))
    process.start()
    return process


def _command(arguments: list[str], folder: Path, environment: dict[str, str], files: list[Path]) -> None:
    for number, (file, flags) in enumerate(zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(file, flags), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["catalog-pipeline", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from catalog_pipeline.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
