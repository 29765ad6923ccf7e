"""The session tables as a page of documentation: `python -m gateway.sessions.describe > docs/sessions.md`."""

from gateway.sessions import fix, order_api, soupbin
from gateway.sessions.machine import E, S, Table

PREFACE = """# Sessions

Generated from the tables in `gateway/sessions/` by `python -m gateway.sessions.describe`; a test compares it. A session takes one
message or fact at a time and answers with actions; rows are what can happen, columns the states. A cell gives the steps and the state
that follows. `·` is taken without a word, an empty cell cannot happen (the machine raises LocalProtocolError).
"""


def grid(title: str, table: Table[S, E]) -> str:
    """One machine's table in Markdown."""
    lines = [f"## {title}\n", "| event | " + " | ".join(table) + " |", "|---" * (len(table) + 1) + "|"]
    events = dict.fromkeys(event for row in table.values() for event in row)
    for event in sorted(events, key=list(type(next(iter(events)))).index):
        cells = []
        for state, row in table.items():
            move = row.get(event)
            if move is None:
                cells.append("")
            else:
                then = "" if move.then == state else f"**→ {move.then}**"
                cells.append(", ".join(filter(None, [" ".join(f"`{step}`" for step in move.steps.split()), then])) or "·")
        lines.append(f"| {event} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def describe() -> str:
    """The whole page."""
    return "\n".join(
        [
            PREFACE,
            *(grid(f"FIX 4.4, {role}", fix.TABLE[role]) for role in fix.Role),
            grid("SoupBinTCP, client", soupbin.CLIENT_TABLE),
            grid("SoupBinTCP, server", soupbin.SERVER_TABLE),
            grid("Order API, server", order_api.TABLE),
        ]
    )


if __name__ == "__main__":
    print(describe(), end="")
