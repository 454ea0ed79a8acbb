"""Who waits for a lock is told who holds it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.engine import connected


def take(engine: Engine) -> str:
    with connected(engine) as connection:
        locks.take(connection, "catalog.publish", patience=0.2)
        return connection.execute(text("SHOW lock_timeout")).scalar_one()


def test_a_session_that_holds_the_lock_is_named_by_pid_and_the_load_goes_on_once_it_is_given_up(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with connected(engine) as holder:
            pid = holder.execute(text("SELECT pg_backend_pid()")).scalar_one()
            locks.take(holder, "catalog.publish")
            waiting = pool.submit(take, engine)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=2)
        assert waiting.result(timeout=30) == "0"
    (warning,) = caplog.messages
    assert f"pid {pid} holds it (login postgres, catalog-pipeline test" in warning
    assert f"pg_terminate_backend({pid})" in warning


def test_a_lock_that_is_free_is_taken_without_a_word(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    assert take(engine) == "0"
    assert caplog.messages == []
