"""The words of the bundled sample upstream: invented universities, subjects, titles, sentences and people."""

from typing import NamedTuple


class Subject(NamedTuple):
    """A subject as learners see it, the letters its course codes start with, and what is taught in it."""

    name: str
    letters: str
    topics: tuple[str, ...]


ORGANIZATIONS = (
    ("AldermoorX", "Aldermoor University"),
    ("BrightwaterX", "Brightwater College"),
    ("CalderaX", "Caldera Institute of Technology"),
    ("DunmoreX", "Dunmore University"),
    ("EastlakeX", "University of Eastlake"),
    ("FernhollowX", "Fernhollow School of Design"),
    ("GranitePeakX", "Granite Peak State University"),
    ("HarborlightX", "Harborlight Business School"),
    ("IronbridgeX", "Ironbridge Polytechnic"),
    ("JuniperX", "Juniper Graduate School of Management"),
    ("KingsfordX", "Kingsford Conservatory"),
    ("LarkspurX", "Larkspur University"),
    ("MarisolX", "Universidad Marisol"),
    ("NorthgateX", "Northgate University of Science"),
    ("OakhavenX", "Oakhaven University"),
    ("PinecrestX", "Pinecrest College"),
    ("Quillon_U", "Quillon University"),
    ("RivermarkX", "Université de Rivermark"),
    ("Nord.Fjell-Tek", "Nordfjell Technical University"),
    ("Köstenbrück", "Hochschule Köstenbrück"),
)
UNLISTED_ORGANIZATION = ("GhostwoodX", "Ghostwood Academy")

SUBJECTS = (
    Subject(
        "Computer Science",
        "CS",
        (
            "Algorithms",
            "Operating Systems",
            "Databases",
            "Compilers",
            "Cryptography",
            "Machine Learning",
            "Computer Networks",
            "Functional Programming",
        ),
    ),
    Subject(
        "Business & Management",
        "BUS",
        (
            "Negotiation",
            "Corporate Finance",
            "Supply Chains",
            "Leadership",
            "Marketing Analytics",
            "Entrepreneurship",
            "Project Management",
        ),
    ),
    Subject(
        "Data Analysis & Statistics",
        "STAT",
        (
            "Bayesian Statistics",
            "Regression",
            "Data Visualization",
            "Causal Inference",
            "Time Series",
            "Survey Design",
        ),
    ),
    Subject(
        "Biology & Life Sciences",
        "BIO",
        ("Genetics", "Marine Ecology", "Neuroscience", "Cell Biology", "Immunology", "Plant Physiology"),
    ),
    Subject(
        "History",
        "HIST",
        ("Medieval Trade", "the Silk Road", "Colonial Cities", "the Printing Press", "Ancient Law"),
    ),
    Subject(
        "Physics",
        "PHYS",
        ("Classical Mechanics", "Thermodynamics", "Quantum Computing", "Optics", "Astrophysics", "Relativity"),
    ),
    Subject(
        "Art & Culture",
        "ART",
        ("Typography", "Film Music", "Museum Curation", "Ceramics", "Jazz Harmony", "Stage Lighting"),
    ),
    Subject(
        "Environmental Studies",
        "ENV",
        ("Soil Science", "Urban Water", "Climate Policy", "Wetland Restoration", "Renewable Energy"),
    ),
)

TITLES = (
    "Introduction to {}",
    "{} in Practice",
    "Foundations of {}",
    "Advanced {}",
    "{}: Theory and Applications",
    "A Short Course in {}",
    "{} for Professionals",
    "Rethinking {}",
)

LANGUAGES = {"en-us": "English", "es-419": "Spanish", "fr-fr": "French", "de-de": "German", "zh-cmn": "Chinese"}
"""Discovery's language codes, and the names it shows for them when searching."""

TITLES_ELSEWHERE = {
    "es-419": (
        "Introducción a la biología marina",
        "Gestión de proyectos culturales",
        "Estadística para la salud pública",
        "Historia económica de los Andes",
        "Energías renovables en la ciudad",
    ),
    "fr-fr": (
        "Comprendre les réseaux électriques",
        "L'art de la négociation",
        "Introduction à l'écologie urbaine",
        "Probabilités pour l'ingénieur",
        "Patrimoine et musées d'aujourd'hui",
    ),
    "de-de": (
        "Einführung in die Werkstoffkunde",
        "Übungen zur Thermodynamik",
        "Grundlagen der Buchführung",
        "Städtebau und Öffentlichkeit",
    ),
    "zh-cmn": ("数据结构与算法", "中国古典园林", "现代汉语导论", "环境经济学"),
}

SENTENCES = (
    "In this course you will work through the central questions of {topic}, one week at a time.",
    "Each unit pairs a short lecture with problems drawn from current research and from industry.",
    "You will learn to read primary sources, to set up an argument, and to test it against evidence.",
    "No previous study of {topic} is assumed, though curiosity & patience will be rewarded.",
    "Teaching staff from {organization} answer questions in the discussion forum throughout the run.",
    "The final project asks you to apply {topic} to a problem of your own choosing.",
    "Learners who finish the graded work earn a certificate that they can share with employers.",
    "Case studies from five continents show how {topic} looks outside the classroom.",
    "By the end you will be able to explain <em>why</em> a method works, and when it does not.",
    "Weekly readings are open access; “further reading” is always optional.",
)

OUTCOMES = (
    "The vocabulary and the main results of {topic}",
    "How to choose between competing methods",
    "How to present findings to people who are not experts",
    "How to plan and finish a small independent project",
    "Where {topic} is heading, and which questions are open",
)

SKILLS = ("Critical Thinking", "Data Literacy", "Research", "Communication", "Problem Solving", "Planning")
LEVELS = ("Introductory", "Intermediate", "Advanced")
PROGRAM_TYPES = (
    ("XSeries", "xseries"),
    ("Professional Certificate", "professional-certificate"),
    ("MicroMasters", "micromasters"),
)
GIVEN_NAMES = ("Amara", "Björn", "Chloé", "Dmitri", "Esra", "Farid", "Grace", "Hiroko", "Inés", "Jonas", "Kavya")
FAMILY_NAMES = ("Abara", "Lindqvist", "Moreau", "Okafor", "Petrov", "Quispe", "Rahman", "Sato", "Tavares", "Weiß")
POSITIONS = ("Professor", "Associate Professor", "Senior Lecturer", "Director of Studies", "Research Fellow")
COLLABORATORS = ("The Harbor Foundation", "Open Field Labs", "Meridian Health Trust")
