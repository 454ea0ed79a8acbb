"""The import verbs, as an operator types them."""

from pathlib import Path

from support.command import Command
from support.enterprise import assignment, json_lines, uuid_of

CONFIGURATION = f"""
    INSERT INTO catalog.enterprise_customer (uuid) VALUES ('{uuid_of("customer")}');
    INSERT INTO catalog.assignment_configuration (enterprise_customer_id, uuid, owner)
    SELECT id, '{uuid_of("configuration")}', 'here' FROM catalog.enterprise_customer"""


def test_an_operator_imports_assignments_and_is_told_what_is_wrong(command: Command, tmp_path: Path) -> None:
    command("psql", "-c", CONFIGURATION)
    file = json_lines(tmp_path / "assignments.jsonl", assignment("ann"), assignment("bob", state="lost"), "x")
    planned = command.json("assignments", "import", str(file), "--dry-run", "--as-of", "2026-03-01", status=3)
    assert planned["counts"] == {"rows": 3, "created": 1, "updated": 0, "unchanged": 0, "rejected": 2}
    assert set(planned["rows"][0]) == {"row", "uuid", "outcome", "errors"}
    assert set(planned["rows"][1]["errors"][0]) == {"rule", "column", "value", "message"}
    done = command("assignments", "import", str(file), status=3)
    assert "3 rows: 1 created, 2 rejected." in done.stdout
    assert "unknown_state" in done.stdout
    assert "The line is not JSON." in done.stdout
    good = json_lines(tmp_path / "good.jsonl", assignment("ann"))
    assert command("assignments", "import", str(good)).stdout == "1 row: 1 unchanged.\n"
    assert "no instant" in command("assignments", "import", str(good), "--as-of", "soon", status=2).stderr
    assert "cannot be read" in command("assignments", "import", str(tmp_path / "none"), status=2).stderr


def test_an_operator_imports_a_customer_with_what_it_has(command: Command, tmp_path: Path) -> None:
    customer = {"kind": "customer", "uuid": uuid_of("customer"), "name": "Acme", "slug": "acme"}
    configuration = {
        "kind": "configuration",
        "uuid": uuid_of("configuration"),
        "enterprise_customer_uuid": uuid_of("customer"),
    }
    file = json_lines(tmp_path / "records.jsonl", configuration, customer, {"kind": "budget"})
    done = command.json("enterprise", "import", str(file), status=3)
    assert done["counts"] == {"rows": 3, "created": 2, "updated": 0, "unchanged": 0, "rejected": 1}


def test_an_operator_adopts_a_configuration_and_may_change_its_assignments_then(
    command: Command, tmp_path: Path
) -> None:
    command("psql", "-c", CONFIGURATION)
    command("psql", "-c", "UPDATE catalog.assignment_configuration SET owner = 'enterprise_access'")
    file = json_lines(tmp_path / "assignments.jsonl", assignment("ann"))
    refused = command.json("assignments", "import", str(file), status=3)
    assert "assignments adopt" in refused["rows"][0]["errors"][0]["message"]
    assert command.json("assignments", "adopt", uuid_of("configuration")) == {
        "configuration": uuid_of("configuration"),
        "assignments": 0,
    }
    command("assignments", "import", str(file))
    assert "is ours, with 1 assignments." in command("assignments", "adopt", uuid_of("configuration")).stdout
    assert "No assignment configuration" in command("assignments", "adopt", uuid_of("x"), status=2).stderr
    command("assignments", "adopt", "x", status=2)
