"""Where the bars of a chart stand: numbers for an inline SVG, nothing that needs a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from billing.usage.month import MonthOfUse

#: The size of a chart in its own units; the page stretches it to its width.
WIDTH: Final = 620
HEIGHT: Final = 120
#: Days below which the date is written.
LABELLED: Final = (1, 8, 15, 22, 29)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One day: its place and size, and what it says."""

    x: float
    y: float
    width: float
    height: float
    title: str
    label: str
    is_today: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """The month of one limit as columns. ``top`` is the number at the upper edge."""

    month: MonthOfUse
    columns: tuple[Column, ...]
    top: int
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def summary(self) -> str:
        """The chart in one sentence, for those who do not see it."""
        busiest = max(self.month.days, key=lambda day: day.used)
        refused = f", refused {self.month.refused:,} times" if self.month.refused else ""
        most = f"; most on {busiest.day:%d %B}: {busiest.used:,}" if busiest.used else ""
        return f"{self.month.name}: {self.month.used:,} used in {busiest.day:%B %Y}{refused}{most}."


def chart_of(month: MonthOfUse, *, today: date) -> Chart:
    """Place the days of ``month`` side by side, the largest as high as the chart."""
    top = max(1, *(day.used for day in month.days))
    return Chart(month=month, top=top, columns=tuple(_columns(month, top, today)))


def _columns(month: MonthOfUse, top: int, today: date) -> Iterator[Column]:
    step = WIDTH / len(month.days)
    for number, day in enumerate(month.days):
        height = max(0, day.used) / top * HEIGHT
        if day.used > 0:
            height = max(height, 2)  # a little is not nothing
        yield Column(
            x=round(number * step + step * 0.12, 2),
            y=round(HEIGHT - height, 2),
            width=round(step * 0.76, 2),
            height=round(height, 2),
            title=f"{day.day:%d %b}: {day.used:,}",
            label=str(day.day.day) if day.day.day in LABELLED else "",
            is_today=day.day == today,
        )
