"""How `sql` prints what a query returns: columns by position, values as Postgres writes them."""

from catalog_pipeline.cli.console import print_csv, print_expanded, print_grid, print_json, say
from catalog_pipeline.database.answers import Answer


def print_answer(answer: Answer, *, as_json: bool, as_csv: bool, expanded: bool) -> None:
    """Print the rows of a query."""
    if as_json:
        print_json(answer.records())
    elif as_csv:
        print_csv(answer.columns, answer.rows())
    elif not answer.texts:
        say("No rows.")
    elif expanded:
        print_expanded(answer.columns, answer.rows())
    else:
        print_grid(answer.columns, answer.rows())
