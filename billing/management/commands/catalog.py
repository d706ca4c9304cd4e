"""The catalog as code: written out, compared with a file, and made to say what the file says."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from billing.catalog import exchange
from billing.catalog.document_schema import document_schema
from billing.catalog.exchange import Action, Change, Difference
from billing.catalog.problems import CatalogInvalid
from billing.management.files import read, written
from mozaiks.kit import clock

MOST_SHOWN = 60
TOUCHED = {"definitions": "balances", "plans": "subscribers", "products": "purchasers"}


class Command(BaseCommand):
    help = "Write the catalog out as JSON, show what a file would change, or apply it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_subparsers(dest="way", required=True, metavar="export|plan|apply|schema")
        for name, (_, said) in WAYS.items():
            way = ways.add_parser(name, help=said)
            if name in ("plan", "apply"):
                way.add_argument("file", help="The catalog as JSON; - reads standard input.")
            if name == "plan":
                way.add_argument("--check", action="store_true", help="Exit with 1 where something would change.")

    def handle(self, *args: Any, **options: Any) -> None:
        run, _ = WAYS[options["way"]]
        try:
            run(self, options)
        except CatalogInvalid as refused:
            lines = "\n".join(f"  {error}" for error in refused.errors)
            raise CommandError(
                f"The catalog breaks {len(refused.errors)} rules; nothing was written:\n{lines}"
            ) from None

    def export(self, options: dict[str, Any]) -> None:
        self.stdout.write(written(exchange.export()))

    def schema(self, options: dict[str, Any]) -> None:
        self.stdout.write(written(document_schema()))

    def plan(self, options: dict[str, Any]) -> None:
        document = read(options["file"])
        changes = exchange.plan(document, now=clock.now())
        self._tell(changes, document, done=False)
        if changes and options["check"]:
            raise CommandError(f"{len(changes)} rows differ from the file.", returncode=1)

    def apply(self, options: dict[str, Any]) -> None:
        document = read(options["file"])
        self._tell(exchange.apply(document, now=clock.now()), document, done=True)

    def _tell(self, changes: list[Change], document: Any, *, done: bool) -> None:
        console = Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True)
        if changes:
            console.print(table_of(changes, title="Changed" if done else "Would change"))
            console.print("Present subscribers and purchasers keep what they were granted; definitions change for all.")
        else:
            console.print("The catalog says the same: nothing to change.")
        for section, codes in exchange.unnamed(document).items():
            console.print(f"Not in the file, left as they are: {section} {escape(', '.join(codes))}")


#: What can be done, and how the help says it.
WAYS: dict[str, tuple[Callable[[Command, dict[str, Any]], None], str]] = {
    "export": (Command.export, "Write the whole catalog to standard output."),
    "plan": (Command.plan, "Show what a file would change, and whom it touches; writes nothing."),
    "apply": (Command.apply, "Make the catalog say what a file says, in one transaction."),
    "schema": (Command.schema, "Write the JSON Schema of the file to standard output."),
}


def table_of(changes: list[Change], *, title: str) -> Table:
    """The changes, a line per field."""
    table = Table("", "code", "field", "before", "after", "touches", title=title, title_justify="left")
    for change in changes[:MOST_SHOWN]:
        shown = [each for each in change.differences if change.action is Action.CHANGE or _worth_telling(each)]
        touched = f"{change.touched} {TOUCHED[change.section]}" if change.action is Action.CHANGE else "new"
        head = (change.section.removesuffix("s"), change.code)
        for each in shown:
            cells = (*head, each.field, _cell(each.before), _cell(each.after), touched)
            table.add_row(*(escape(cell) for cell in cells))
            head, touched = ("", ""), ""
        table.add_section()
    if len(changes) > MOST_SHOWN:
        table.caption = f"and {len(changes) - MOST_SHOWN} more rows"
    return table


def _worth_telling(difference: Difference) -> bool:
    """Of a new row, what it says; not what it leaves empty."""
    return difference.field != "code" and difference.after not in (None, "", [], {}, False)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
