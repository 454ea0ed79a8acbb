"""How keys are compared in SQL: by one function, whatever the server's locale.

`rules.course_keys.fold` does the same to frames; a test runs both over every letter that a key may have.
"""

from catalog_pipeline.models.base import FOLD_COLLATION


def folded(expression: str) -> str:
    """SQL of the form in which keys are compared."""
    return f"lower({expression} COLLATE {FOLD_COLLATION})"
