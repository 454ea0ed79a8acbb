"""The sample's Masters: programs that share courses, and so the seats of their learners.

Three are of one organization. The third has all courses of the other two: one itself, one by a curriculum, the rest by
a child program, which includes the third in turn. A curriculum that is not active names a course, too. The fourth is
of another organization, which has a key of a learner in common with the first one. However few courses the catalog
has, the programs are there, with what courses there are.
"""

from catalog_pipeline.sample.records import Course, Curriculum, Organization, Program, moment, stable_uuid

TYPE = ("Masters", "masters")
TITLES = ("Cybersecurity", "Data Analytics", "Other Master Program", "Visual Design")
COURSES = 4
"""How many courses the first three share, where the catalog has as many."""


def draft_masters(seed: int, courses: list[Course], organizations: list[Organization], before: int) -> list[Program]:
    """The Masters of a catalog with these courses. `before`: how many programs come before them."""
    owner, other = organizations[0], organizations[5]
    programs = [
        Program(
            number=before + position,
            uuid=stable_uuid(seed, "masters", title),
            title=title,
            type=TYPE,
            status="active",
            courses=[],
            data_modified=moment(-500 + position),
            pinned=True,
            organizations=[other if title == TITLES[3] else owner],
        )
        for position, title in enumerate(TITLES, start=1)
    ]
    first, second, third, fourth = programs
    have = courses[:COURSES]
    # Of a smaller catalog several places have one course.
    a, b, c, d = ([have[place % len(have)]] if have else [] for place in range(COURSES))
    first.courses, second.courses, third.courses, fourth.courses = _once(a + b), c, a, a

    def curriculum(program: Program, name: str, listed: list[Course]) -> Curriculum:
        made = Curriculum(stable_uuid(seed, "curriculum", program.title, name), name, listed)
        program.curricula.append(made)
        return made

    curriculum(first, "Standard", [])
    curriculum(second, "Standard", d).programs.append(third)
    curriculum(third, "On Campus", b).programs.append(second)
    curriculum(third, "Former", courses[COURSES : COURSES + 1]).is_active = False
    curriculum(third, "Online", [])
    curriculum(fourth, "Standard", [])
    return programs


def masters(programs: list[Program]) -> list[Program]:
    """The Masters among some programs."""
    return [program for program in programs if program.type == TYPE]


def courses_of(program: Program) -> list[Course]:
    """The courses of a program: its own, those of its active curricula, and those of their child programs."""
    found: list[Course] = []
    seen, ahead = {program.uuid}, [program]
    while ahead:
        one = ahead.pop(0)
        active = [curriculum for curriculum in one.curricula if curriculum.is_active]
        found += one.courses
        for curriculum in active:
            found += curriculum.courses
            ahead += [child for child in curriculum.programs if child.uuid not in seen]
            seen.update(child.uuid for child in curriculum.programs)
    return _once(found)


def _once(courses: list[Course]) -> list[Course]:
    return list({course.uuid: course for course in courses}.values())
