"""A small language for matching cases: what is sent on the left of `>`, the complete list of events on the right.

    sell 1 10@101                     > accepted 1
    buy 2 15@101 ioc                  > accepted 2 · trade 2/1 10@101 · canceled 2 5 IOC

Sent:  buy|sell ID QTY@PX|mkt [stop=PX] [day|gtc|ioc|fok|open|close] [gtd=SECONDS] [post|slide|hidden|lmm] [show=QTY] [min=QTY]
       [mid|primary|market=OFFSET] [cap] [by=SESSION] [acc=ACCOUNT] [stp=ID] [mode=STP], [sym=SYMBOL];   cancel ID [by=SESSION];
       replace ID QTY@PX [as=NEWID] [show=…] [stop=…] [gtd=…] [acc=…];   mass [by=…] [acc=…] [side=0|1] [sym=…];   phase NAME [ends=SECONDS];
       indicate;  reference PX [tier=N];   bust TRADE;   correct TRADE QTY@PX;   end;   tick;   +SECONDS before anything moves the clock.
Events: see `line`. A `#` begins a comment. Every case is run by the core and by the twin.
"""

from collections.abc import Iterable

from simulators.matching import (
    ALL_SYMBOLS,
    ANY_SIDE,
    Event,
    EventFlag,
    EventKind,
    Exchange,
    Flag,
    Kind,
    Message,
    OrdType,
    Peg,
    Phase,
    Profile,
    Reason,
    Stp,
    Tif,
    open_exchange,
)

SECOND = 1_000_000_000
START = 1_000_000  # the clock of a script, in seconds; gtd= and ends= are absolute, +SECONDS is from the line before
_TIFS = {"day": Tif.DAY, "gtc": Tif.GTC, "ioc": Tif.IOC, "fok": Tif.FOK, "open": Tif.AT_OPEN, "close": Tif.AT_CLOSE}
_FLAGS = {
    "post": Flag.POST_ONLY,
    "slide": Flag.POST_ONLY | Flag.SLIDE,
    "hidden": Flag.HIDDEN,
    "lmm": Flag.LMM,
    "cap": Flag.PEG_CAP,
}
_PEGS = {"mid": Peg.MID, "primary": Peg.PRIMARY, "market": Peg.MARKET}
_NUMBERS = {
    "show": "display_qty",
    "min": "min_qty",
    "by": "session",
    "acc": "account",
    "stp": "stp_id",
    "stop": "stop_px",
    "as": "new_order_id",
}


def parse(text: str, now_ns: int, seq: int) -> Message:
    """One line's left half as a message."""
    verb, *words = text.split()
    m = Message(Kind.TICK, now_ns=now_ns, seq=seq)
    simple = {"indicate": Kind.INDICATE, "tick": Kind.TICK, "end": Kind.SESSION_END}
    if verb in simple:
        m.kind = simple[verb]
    elif verb in ("buy", "sell"):
        m.kind, m.side, m.order_id = Kind.NEW, int(verb == "sell"), int(words.pop(0))
    elif verb in ("cancel", "replace"):
        m.kind, m.order_id = (Kind.CANCEL if verb == "cancel" else Kind.REPLACE), int(words.pop(0))
        m.new_order_id = m.order_id
    elif verb == "mass":
        m.kind, m.side = Kind.MASS_CANCEL, ANY_SIDE
    elif verb == "phase":
        m.kind, m.phase = Kind.PHASE, Phase[words.pop(0).upper()]
    elif verb == "reference":
        m.kind, m.px, m.phase = Kind.REFERENCE, int(words.pop(0)), 1
    else:
        m.kind, m.new_order_id = {"bust": Kind.BUST, "correct": Kind.CORRECT}[verb], int(words.pop(0))
    for word in words:
        name, _, value = word.partition("=")
        if "@" in word:
            qty, _, px = word.partition("@")
            m.qty = int(qty)
            if px == "mkt":
                m.ord_type = OrdType.MARKET
            else:
                m.px = int(px)
        elif name in _TIFS:
            m.tif = _TIFS[name]
        elif name in _PEGS:
            m.peg, m.stop_px = _PEGS[name], int(value)
        elif name in _FLAGS:
            m.flags |= _FLAGS[name]
        elif name == "gtd":
            m.tif, m.expire_ns = Tif.GTD, int(value) * SECOND
        elif name == "mode":
            m.stp_mode = Stp[value.upper()]
        elif name == "sym":
            m.symbol = ALL_SYMBOLS if value == "all" else int(value)
        elif name == "side":
            m.side = int(value)
        elif name == "tier":
            m.phase = int(value)
        elif name == "ends":
            m.expire_ns = int(value) * SECOND
        else:
            setattr(m, _NUMBERS[name], int(value))
            if name == "stop" and m.kind == Kind.NEW:
                m.ord_type = OrdType.STOP if m.ord_type == OrdType.MARKET else OrdType.STOP_LIMIT
    return m


def line(e: Event) -> str:
    """An event as cases write it."""
    kind, reason = EventKind(e.kind), Reason(e.reason).name
    match kind:
        case EventKind.TRADE:
            return f"trade {e.order_id}/{e.match_id} {e.qty}@{e.px}" + (
                " hidden" if e.flags & EventFlag.MAKER_HIDDEN else ""
            )
        case EventKind.ACCEPTED:
            return f"accepted {e.order_id}"
        case EventKind.CANCELED:
            return f"canceled {e.order_id} {e.qty} {reason}"
        case EventKind.REPLACED:
            kept = " kept" if e.flags & EventFlag.KEPT_PRIORITY else ""
            return f"replaced {e.match_id}→{e.order_id} {e.leaves_qty}@{e.px}{kept}"
        case EventKind.RESTATED:
            return f"restated {e.order_id} {e.qty}/{e.leaves_qty}@{e.px} {reason}"
        case EventKind.TRIGGERED:
            return f"triggered {e.order_id}"
        case EventKind.PHASE:
            return f"phase {Phase(e.qty).name} {reason}"
        case EventKind.INDICATIVE | EventKind.AUCTION:
            return f"{kind.name.lower()} {e.qty}@{e.px} {e.leaves_qty:+}"
        case EventKind.BUSTED | EventKind.CORRECTED:
            return f"{kind.name.lower()} {e.trade_id} {e.qty}@{e.px}"
        case EventKind.BUST_REJECTED:
            return f"bust_rejected {e.trade_id} {reason}"
        case EventKind.MASS_CANCELED:
            return f"mass_canceled {e.qty}"
        case EventKind.SESSION_ENDED:
            return f"session_ended {e.trade_id} trades {e.qty} last {e.px} high {e.leaves_qty} low {e.match_leaves_qty}"
        case EventKind.ORDER:
            return (
                f"order {e.match_id}→{e.order_id}"
                if e.flags & EventFlag.RENAMED
                else f"order {e.order_id} {e.qty}@{e.px}"
            )
        case EventKind.LEVEL:
            return f"level {'BS'[e.side]} {e.qty}@{e.px} ×{e.leaves_qty}"
        case _:
            return f"{kind.name.lower()} {e.order_id} {reason}"


def play(exchange: Exchange, script: str) -> None:
    """Send each line; its events must be exactly those on its right."""
    now_ns = (
        1_000_000 * SECOND
    )  # in the middle of some day, so that +SECONDS and gtd=SECONDS are the same count from here
    for seq, raw in enumerate(script.strip().splitlines()):
        sent, _, expected = raw.partition("#")[0].partition(">")
        words = sent.split()
        if not words:
            continue
        if words[0].startswith("+"):
            now_ns += int(words.pop(0)) * SECOND
        events = exchange.send(parse(" ".join(words), now_ns, seq))
        assert all((e.seq, e.now_ns) == (seq, now_ns) for e in events), raw
        got, want = [line(e) for e in events], [part.strip() for part in expected.split("·") if part.strip()]
        assert got == want, f"{raw.strip()}\n  got  {' · '.join(got)}\n  want {' · '.join(want)}"


def both(
    profile: Profile, script: str, *, symbols: int = 1, max_orders: int = 1000, max_trades: int = 100
) -> Iterable[Exchange]:
    """Play a script to the core and to the twin; return both exchanges."""
    out = []
    for twin in (False, True):
        exchange = open_exchange(profile, symbols=symbols, max_orders=max_orders, max_trades=max_trades, twin=twin)
        play(exchange, script)
        out.append(exchange)
    assert out[0].state_hash() == out[1].state_hash()
    return out
