"""Makes plausible courses and runs: keys, titles, schedules, prices. Awkward ones are made in `awkward.py`."""

from datetime import datetime, timedelta
from random import Random
from string import ascii_lowercase

from catalog_pipeline.sample import vocabulary as words
from catalog_pipeline.sample.records import (
    EPOCH,
    EXECUTIVE_EDUCATION,
    Course,
    Organization,
    Run,
    instant,
    key_parts,
    moment,
    stable_uuid,
)

COURSE_TYPES = ("verified-audit", "verified-audit", "verified-audit", "audit", "professional", EXECUTIVE_EDUCATION)
ABROAD_SHARE = 0.15
RUNS = (1, 1, 2, 2, 3, 3, 4, 5, 6)
NO_RUNS_SHARE = 0.02
SUFFIXES = ("", *ascii_lowercase, *(first + second for first in ascii_lowercase for second in ascii_lowercase))
"""What is appended to a run key that is taken, in this order."""
UNFINISHED = ("published", "published", "reviewed", "review_by_internal", "review_by_legal", "unpublished")


def run_key(stem: str, start: datetime, issued: set[str]) -> str:
    """The next free run key of a course: term and year of its start, with a letter appended where that key is taken.

    `stem` is `Org+Number`; `issued` holds every run key given so far, in lower case; the new key is added to it.
    """
    name = f"course-v1:{stem}+{-(-start.month // 4)}T{start.year}"
    key = next(key for suffix in SUFFIXES if (key := name + suffix).lower() not in issued)
    issued.add(key.lower())
    return key


def draft_run(course: Course, key: str, start: datetime, seed: int, rng: Random, today: datetime = EPOCH) -> Run:
    """A run that starts at `start`, with the status it would have today. It is not yet added to the course."""
    executive = course.course_type == EXECUTIVE_EDUCATION
    weeks = rng.randint(5, 14)
    end = start + timedelta(weeks=weeks)
    announced = start - timedelta(days=rng.randint(45, 120))
    if start > today:
        status = rng.choice(UNFINISHED)
    else:
        status = "published" if end > today or rng.random() < 0.7 else "unpublished"
    return Run(
        key=key,
        uuid=stable_uuid(seed, "run", key),
        title=course.title,
        start=instant(start),
        end=instant(end),
        enrollment_start=None if executive else instant(announced),
        enrollment_end=instant(start - timedelta(days=6)) if executive else None,
        go_live=instant(announced),
        status=status,
        pacing="instructor_paced" if executive or rng.random() < 0.5 else "self_paced",
        price=course.price,
        weeks=weeks,
        effort=rng.randint(2, 8),
        modified=course.data_modified,
        staff=tuple(
            f"{rng.choice(words.GIVEN_NAMES)} {rng.choice(words.FAMILY_NAMES)}" for _ in range(rng.randint(0, 2))
        ),
        enrollments=0 if start > today else rng.randint(20, 4000),
        variant_id=stable_uuid(seed, "variant", key) if executive else None,
    )


def blank_course(
    seed: int, rng: Random, organization: Organization, number: str, title: str = "", course_type: str = ""
) -> Course:
    """A course without runs. Title, subject, language, type and price are chosen at random unless given."""
    subject = rng.choice(words.SUBJECTS)
    topic = rng.choice(subject.topics)
    language = "en-us"
    drawn = rng.choice(words.TITLES).format(topic)
    drawn = drawn[0].upper() + drawn[1:]
    if not title and rng.random() < ABROAD_SHARE:
        language, titles = rng.choice(list(words.TITLES_ELSEWHERE.items()))
        drawn = rng.choice(titles)
    course_type = course_type or rng.choice(COURSE_TYPES)
    executive = course_type == EXECUTIVE_EDUCATION
    key = f"{organization.key}+{number}"
    return Course(
        key=key,
        uuid=stable_uuid(seed, "course", key),
        title=title or drawn,
        topic=topic,
        description=_paragraphs(rng, topic, organization.name),
        outcome=_outcome(rng, topic),
        subject=subject.name,
        organization=organization,
        language=language,
        level=rng.choice(words.LEVELS),
        course_type=course_type,
        price=f"{rng.randrange(1800, 3400, 50) if executive else rng.randrange(49, 300, 10)}.00",
        data_modified=moment(-rng.uniform(1, 600)),
        external_identifier=str(rng.randrange(10**7, 10**8)) if executive else None,
        product_status="published" if executive else None,
    )


def draft_course(
    seed: int, number: int, organizations: list[Organization], issued: set[str], today: datetime = EPOCH
) -> Course:
    """The plain course of that number, with its runs. It does not depend on the size of the catalog."""
    rng = Random(f"{seed}/course/{number}")
    course = blank_course(seed, rng, rng.choice(organizations), str(number))
    letters = next(subject.letters for subject in words.SUBJECTS if subject.name == course.subject)
    # The final x keeps plain course codes apart from those that the awkward courses are known by.
    course.key = f"{course.organization.key}+{letters}{100 + number}x"
    start = today.replace(hour=rng.choice((0, 9, 15))) - timedelta(days=rng.randint(-90, 600))
    for _ in range(0 if rng.random() < NO_RUNS_SHARE else rng.choice(RUNS)):
        course.runs.append(draft_run(course, run_key(course.key, start, issued), start, seed, rng, today))
        start += timedelta(days=rng.randint(90, 240))
    return course


def next_run(course: Course, seed: int, rng: Random, issued: set[str], today: datetime) -> Run:
    """A rerun of a course that starts in some weeks. Its key has the number that `key_for_reruns` names."""
    start = today + timedelta(days=rng.randint(30, 150))
    stem = "+".join(key_parts(course.key_for_reruns or str(course.key)))
    return draft_run(course, run_key(stem, start, issued), start, seed, rng, today)


def _paragraphs(rng: Random, topic: str, organization: str) -> str:
    sentences = [text.format(topic=topic, organization=organization) for text in rng.sample(words.SENTENCES, 4)]
    return f"<p>{' '.join(sentences[:2])}</p>\n<p>{' '.join(sentences[2:])}</p>".replace(" & ", " &amp; ")


def _outcome(rng: Random, topic: str) -> str:
    points = (f"<li>{text.format(topic=topic)}</li>" for text in rng.sample(words.OUTCOMES, 3))
    return f"<ul>{''.join(points)}</ul>"
