"""Alembic migrations, oldest first. They go forward only: a backup is the way back."""
