"""Many links at once do what one after the other would: held against a model that knows no other way."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection
from support.enrollments import AS_OF, CURRICULUM, Programs

from catalog_pipeline.database.bulk import copy_rows, create_staging
from catalog_pipeline.database.rows import rows
from catalog_pipeline.learners.linking import STAGING, link
from catalog_pipeline.loading.publication import ENROLLMENT_LOCK, publishing

Enrollment = tuple[int, str]
"""A program's number, and the key by which it knows the learner."""


@dataclass(eq=False)
class Person:
    """A learner: the user name, the keys, and by enrollment whether it is active in the shared run, if it is there."""

    name: str | None = None
    keys: set[str] = field(default_factory=set)
    rows: dict[Enrollment, bool | None] = field(default_factory=dict)

    def programs(self) -> set[int]:
        return {program for program, _ in self.rows}


class Model:
    """Learners who are linked one line after the other."""

    def __init__(self, people: list[Person]) -> None:
        self.people = people

    def apply(self, lines: list[tuple[str, str]], *, create: bool, strict: bool) -> list[tuple[str, str | None]]:
        users: dict[str, set[str]] = {}
        for key, name in lines:
            users.setdefault(key.lower(), set()).add(name.lower())
        return [self._line(key, name, users, create=create, strict=strict) for key, name in lines]

    def _line(
        self, key: str, name: str, users: dict[str, set[str]], *, create: bool, strict: bool
    ) -> tuple[str, str | None]:
        key, name = key.lower(), name.lower()
        holder = next((one for one in self.people if key in one.keys), None)
        named = next((one for one in self.people if one.name == name), None)
        if holder is None and not create:
            return "rejected", "unknown_key"
        if len(users[key]) > 1:
            return "rejected", "repeated"
        if holder is None:
            if named is None:
                named = Person(name)
                self.people.append(named)
            named.keys.add(key)
            return "linked", None
        if holder.name == name:
            return "unchanged", None
        if holder.name is None and named is None:
            holder.name = name
            return "linked", None
        return self._become_one(key, holder, named or Person(name), strict=strict)

    def _become_one(self, key: str, holder: Person, named: Person, *, strict: bool) -> tuple[str, str | None]:
        outcome = "merged" if holder.name is None else "transferred"
        coming = {one: active for one, active in holder.rows.items() if outcome == "merged" or one[1] == key}
        if {program for program, _ in coming} & named.programs():
            return "rejected", "two_keys_in_program"
        ours, theirs = (next((one for one, active in of.items() if active), None) for of in (coming, named.rows))
        if ours and theirs and strict:
            return "rejected", "conflict"
        if ours and theirs:
            loser = max(ours, theirs)  # all became active at once: the lower program stays
            (coming if loser == ours else named.rows)[loser] = False
        if named not in self.people:
            self.people.append(named)
        named.rows |= coming
        moved = set(holder.keys) if outcome == "merged" else {key}
        named.keys |= moved
        holder.keys -= moved
        holder.rows = {one: active for one, active in holder.rows.items() if one not in coming}
        if outcome == "merged":
            self.people.remove(holder)
        return outcome, None

    def state(self) -> list[Any]:
        return sorted(
            (one.name or "", sorted(one.keys), sorted((e[0], e[1], str(a)) for e, a in one.rows.items()))
            for one in self.people
        )


def insert(programs: Programs, people: list[Person]) -> None:
    """Write people as rows, all with one instant."""
    for person in people:
        learner = programs.insert("learner", user_name=person.name)
        seat = programs.insert("course_enrollment", learner_id=learner, course_run_id=programs.runs[1])
        keys = {
            key: programs.insert(
                "learner_key", learner_id=learner, organization_id=programs.organization, external_key=key
            )
            for key in sorted(person.keys)
        }
        for (program, key), active in person.rows.items():
            enrollment = programs.insert(
                "program_enrollment",
                learner_id=learner,
                learner_key_id=keys[key],
                program_id=programs.programs[program],
                curriculum_uuid=CURRICULUM[1],
                status="enrolled",
            )
            if active is not None:
                programs.insert(
                    "program_course_enrollment",
                    program_enrollment_id=enrollment,
                    course_enrollment_id=seat,
                    status="active" if active else "inactive",
                    status_since=AS_OF,
                )


STATE = """
    SELECT coalesce(lower(l.user_name), '') AS name,
           ARRAY(SELECT lower(k.external_key) FROM catalog.learner_key k WHERE k.learner_id = l.id ORDER BY 1) AS keys,
           ARRAY(SELECT right(p.uuid::text, 1) || ' ' || k.external_key || ' ' || coalesce(c.status, 'none')
                 FROM catalog.program_enrollment e JOIN catalog.program p ON p.id = e.program_id
                 JOIN catalog.learner_key k ON k.id = e.learner_key_id
                 LEFT JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id
                 WHERE e.learner_id = l.id ORDER BY 1) AS rows
    FROM catalog.learner l"""
WORDS = {"True": "active", "False": "inactive", "None": "none"}


def state(connection: Connection) -> list[Any]:
    return sorted(
        (row["name"], row["keys"], [tuple(one.split()) for one in row["rows"]]) for row in rows(connection, STATE)
    )


def some_people(random: Random, keys: list[str]) -> list[Person]:
    people = [Person() for _ in range(4)] + [Person(f"u{number}") for number in range(3)]
    for key in random.sample(keys, 6):
        person = random.choice(people)
        person.keys.add(key)
        program = random.choice([1, 2, 3])
        if random.random() < 0.7 and program not in person.programs():
            held = any(person.rows.values())
            person.rows[program, key] = random.choice([None, False] if held else [None, False, True, True])
    return [person for person in people if person.keys or person.name]


@pytest.mark.parametrize("seed", range(20))
def test_links_at_once_do_what_they_do_one_after_the_other(programs: Programs, seed: int) -> None:
    random = Random(seed)
    programs.add_program(3)
    keys = [f"k{number}" for number in range(8)]
    people = some_people(random, keys)
    insert(programs, people)
    model = Model(people)
    lines = [
        (random.choice([str.upper, str.lower])(random.choice(keys)), f"{random.choice('uU')}{random.randrange(5)}")
        for _ in range(random.choice([3, 6, 12]))
    ]
    how = {"create": random.random() < 0.5, "strict": random.random() < 0.5}
    with publishing(programs.engine, "test", AS_OF, lock=ENROLLMENT_LOCK) as publication:
        connection = publication.connection
        create_staging(connection, "link_row", STAGING)
        copy_rows(
            connection,
            "link_row",
            STAGING,
            ((row, programs.organization, key, name) for row, (key, name) in enumerate(lines)),
        )
        link(publication, b"secret", **how)
        found = [
            (row["outcome"], row["reason"])
            for row in rows(connection, "SELECT outcome, reason FROM link_outcome ORDER BY row")
        ]
        expected = model.apply(lines, **how)
        assert found == expected, lines
        told = [
            (name, keys, sorted((str(program), key, WORDS[active]) for program, key, active in of))
            for name, keys, of in model.state()
        ]
        assert state(connection) == told
    assert (
        programs.rows("""
        SELECT s.id FROM catalog.course_enrollment s
        WHERE s.is_active <> EXISTS (SELECT FROM catalog.program_course_enrollment c
                                     WHERE c.course_enrollment_id = s.id AND c.status = 'active')""")
        == []
    )
