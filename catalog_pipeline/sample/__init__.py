"""The bundled sample upstream: a course-discovery and an LMS with an invented catalog, for first steps and tests."""
