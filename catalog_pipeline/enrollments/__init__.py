"""Enrollments in programs and in the runs that programs share: at most one active for a learner and a run."""
