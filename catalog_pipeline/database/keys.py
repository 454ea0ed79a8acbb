"""How keys are compared in SQL: by one function, whatever the server's locale.

`rules.course_keys.fold` does the same to frames; a test runs both over every letter that a key may have.
"""

from catalog_pipeline.models.vocabulary import FOLD_COLLATION


def folded(expression: str) -> str:
    """SQL of the form in which keys are compared."""
    return f"lower({expression} COLLATE {FOLD_COLLATION})"


def typed(expression: str) -> str:
    """SQL of a key that a person typed, as it is kept: without blanks around it, a course's `edX/DemoX` as `edX+DemoX`.

    `rules.course_keys.course_key_form` does the same to frames.
    """
    return f"regexp_replace(trim({expression}), '^([^+/]+)/([^+/]+)$', '\\1+\\2')"


WANTED = folded(typed("CAST(:key AS text)"))
"""SQL of the parameter `key`, which a person typed, in the form in which keys are compared."""
