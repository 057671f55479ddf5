"""`pileus cost`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from pileus.cli.running import DEFAULT_DATA, Data


def cost(
    data: Data = DEFAULT_DATA,
    prices: Annotated[str, typer.Option(help="The price list: current, or 2015.")] = "current",
    free_tier: Annotated[bool, typer.Option(help="Take off what AWS gives free each month.")] = True,
    account: Annotated[str, typer.Option(help="Another account's number.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Show what was not used, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the bill as JSON.")] = False,
) -> None:
    """Print the month's bill for what was really used, and a whole month's at this rate."""
    from pileus.cli.ask import ask

    bill = ask(data, "cost", {"prices": prices, "free_tier": free_tier}, account)
    if as_json:
        print(json.dumps(bill, indent=2))
    else:
        _print(bill, everything=everything)


def _print(bill: dict[str, Any], *, everything: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(f"Account {bill['account']}, {bill['month']}, by {bill['list_title']}")
    for kind, title in (("fixed", "Fixed costs"), ("variable", "Variable costs")):
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_footer=True)
        lines = [line for line in bill["lines"] if line["kind"] == kind]
        total, month_total = (sum(line[name] for line in lines) for name in ("cost", "month_cost"))
        table.add_column("Service", footer="Sum")
        table.add_column("For")
        table.add_column("Price", justify="right")
        table.add_column("Used", justify="right")
        table.add_column("Free", justify="right")
        table.add_column("So far", justify="right", footer=_money(total))
        table.add_column("A month", justify="right", footer=_money(month_total))
        for line in lines:
            if everything or line["quantity"] or line["month_quantity"]:
                price = f"{_money(line['unit_price'])}/{line['label']}" if line["unit_price"] else "free"
                table.add_row(
                    line["service"],
                    line["what"],
                    price,
                    _number(line["quantity"]),
                    _number(line["free"]),
                    _money(line["cost"]),
                    _money(line["month_cost"]),
                )
        console.print()
        console.print(table)
    console.print()
    console.print(
        f"[bold]So far this month {_money(bill['cost'])}; a month at this rate {_money(bill['month_cost'])}[/]"
    )
    days = "one day" if bill["days"] <= 1 else f"{bill['days']:.1f} days"
    tier = "with" if bill["free_tier"] else "without"
    console.print(f"The rate is that of {days} of use; {tier} the monthly free amounts.", style="dim")
    for unit, quantity in bill["unpriced"].items():
        console.print(f"{_number(quantity)} {unit} have no price on this list.", style="dim")


def _money(amount: float) -> str:
    """Dollars and cents; below a dollar two digits, down to a millionth."""
    if amount == 0 or amount >= 0.995:
        return f"${amount:,.2f}"
    if amount < 1e-6:
        return "<$0.000001"
    digits = 2
    while digits < 6 and amount < 9.95 * 10.0**-digits:
        digits += 1
    return f"${amount:.{digits}f}"


def _number(quantity: float) -> str:
    if quantity == 0:
        return "0"
    if quantity >= 1000 or quantity == int(quantity):
        return f"{quantity:,.0f}"
    return f"{quantity:.3g}" if quantity >= 1e-4 else "<0.0001"
