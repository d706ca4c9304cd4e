"""``manage.py load_demo``: everything `make run` shows."""

from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from console.demo import Made, load
from mozaiks.kit import clock


class Command(BaseCommand):
    help = "Load the demo data. What is there already stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        made = load(now=clock.now())
        console = Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True)
        if not made:
            console.print("The demo is loaded already.")
            return
        console.print(table_of(made))
        for one in made:
            if one.secret:
                console.print(f"{one.what} {one.which}: [bold]{one.secret}[/bold]")


def table_of(made: list[Made]) -> Table:
    """What was made, a line each."""
    table = Table("Made", "", title="The demo", title_justify="left", show_header=False)
    for one in made:
        table.add_row(one.what, one.which)
    return table
