"""Random messages of every kind for exchanges of every profile: plausible enough to trade, wrong often enough to be refused."""

import random
from dataclasses import replace

from simulators.matching import (
    ALL_SYMBOLS,
    ANY_SIDE,
    PROFILES,
    PX_MAX,
    PX_MIN,
    QTY_MAX,
    Flag,
    Kind,
    Message,
    OrdType,
    Peg,
    Phase,
    Profile,
    Stp,
    Tif,
)

# Every rule switched on somewhere; the named profiles beside them.
TRIED: dict[str, Profile] = dict(PROFILES) | {
    p.name: p
    for p in (
        Profile("all_data", order_data=True, level_data=True),
        Profile("stp_new", stp=Stp.CANCEL_NEW, order_data=True, level_data=True),
        Profile("stp_both", stp=Stp.CANCEL_BOTH, market_rests=True, protection=3),
        Profile("stp_decrement", stp=Stp.DECREMENT, keeps=1 | 2 | 4 | 16 | 32, order_data=True),
        Profile(
            "banded",
            band_bps=200,
            dynamic_bps=150,
            protection=5,
            ticks=((0, 1), (1000, 5), (1010, 2)),
            replace_total=False,
        ),
        Profile("lots", lot=5, keeps=0, first_phase=Phase.PRE_OPEN, market_rests=True, protection=2, level_data=True),
        replace(PROFILES["us_equity"], name="luld", luld_unit=300, ticks=(), level_data=True),
        replace(
            PROFILES["us_equity"], name="luld_fine", luld_unit=20_000, ticks=((0, 1), (1000, 3)), stp=Stp.CANCEL_OLD
        ),
        replace(
            PROFILES["cme_k"],
            name="cme_k_all",
            order_data=True,
            level_data=True,
            top_min=20,
            stp=Stp.DECREMENT,
            pro_rata_min=0,
        ),
        Profile("short_expires", short_expires=True, level_data=True),
        replace(PROFILES["cme_q"], name="cme_q_new", stp=Stp.CANCEL_NEW),
    )
}
_FLAGS = (0, 0, 0, 0, 0, Flag.POST_ONLY, Flag.POST_ONLY | Flag.SLIDE, Flag.HIDDEN, Flag.HIDDEN, Flag.LMM)
_PHASES = (
    (Phase.OPENING_CALL, Phase.CONTINUOUS),
    (Phase.PRE_OPEN, Phase.OPENING_CALL, Phase.CONTINUOUS),
    (Phase.CLOSING_CALL, Phase.POST, Phase.CLOSED, Phase.PRE_OPEN, Phase.CONTINUOUS),
    (Phase.HALT, Phase.REOPENING_CALL, Phase.CONTINUOUS),
    (Phase.CONTINUOUS,),
)


class Flow:
    """An endless source of messages from a seed. `spread` is how far prices lie from the middle."""

    def __init__(self, seed: int, symbols: int, spread: int = 12, mid: int = 1_000, wild: float = 0.01) -> None:
        self.rng = random.Random(seed)
        self.symbols = symbols
        self.spread = spread
        self.mid = mid
        self.wild = wild
        self.seq = 0
        self.now_ns = 0
        self.ids: list[int] = []
        self.phases: list[int] = []

    def take(self, count: int) -> list[Message]:
        return [self.one() for _ in range(count)]

    def one(self) -> Message:
        rng = self.rng
        self.seq += 1
        self.now_ns += rng.choice((0, 1_000, 1_000_000, 1_000_000_000, 4_000_000_000))
        if self.phases and rng.random() < 0.08:
            m = Message(Kind.PHASE, symbol=rng.choice((0, ALL_SYMBOLS)), phase=self.phases.pop(0))
        else:
            dice = rng.random()
            if dice < 0.60:
                m = self.new()
            elif dice < 0.78:
                m = Message(Kind.CANCEL, order_id=self.known(), session=rng.choice((0, 0, 0, 1, 2)))
            elif dice < 0.95:
                m = self.replace()
            else:
                m = self.rare()
        m.seq, m.now_ns = self.seq, self.now_ns
        return m

    def known(self) -> int:
        """An id that was used: mostly a recent one, often alive."""
        if not self.ids:
            return self.rng.getrandbits(64)
        return self.ids[-1 - min(int(self.rng.expovariate(0.03)), len(self.ids) - 1)]

    def px(self) -> int:
        if self.rng.random() < self.wild:
            return self.rng.choice((PX_MIN, PX_MAX, 0, -1, self.rng.randint(PX_MIN, PX_MAX)))
        return self.mid + round(self.rng.gauss(0, self.spread / 3))

    def qty(self) -> int:
        if self.rng.random() < self.wild:
            return self.rng.choice((0, -1, QTY_MAX, QTY_MAX + 1, PX_MAX))
        return self.rng.choice((1, 2, 5, 10, 20, self.rng.randint(1, 100)))

    def new(self) -> Message:
        rng = self.rng
        order_id = self.known() if rng.random() < 0.02 else rng.choice((self.seq, rng.getrandbits(64)))
        self.ids.append(order_id)
        m = Message(
            Kind.NEW,
            side=rng.getrandbits(1),
            tif=rng.choice((0, 0, 0, 0, Tif.GTC, Tif.GTD, Tif.IOC, Tif.FOK, Tif.AT_OPEN, Tif.AT_CLOSE)),
            symbol=rng.randrange(self.symbols) if rng.random() > 0.003 else self.symbols,
            session=rng.randint(1, 3),
            account=rng.randint(0, 2),
            stp_id=rng.randint(0, 3),
            order_id=order_id,
            px=self.px(),
            qty=self.qty(),
        )
        m.ord_type = rng.choice((0, 0, 0, 0, 0, 0, 0, OrdType.MARKET, OrdType.STOP, OrdType.STOP_LIMIT))
        if m.ord_type >= OrdType.STOP:
            m.stop_px = self.px()
        m.flags = rng.choice(_FLAGS) if m.ord_type == OrdType.LIMIT or rng.random() < 0.02 else 0
        if m.ord_type == OrdType.LIMIT and not m.flags & Flag.POST_ONLY:
            shape = rng.random()
            if shape < 0.06:
                m.peg, m.stop_px = rng.choice((Peg.MID, Peg.PRIMARY, Peg.MARKET)), rng.choice((0, 0, 0, -1, 1, 2))
                m.flags |= rng.choice((0, Flag.PEG_CAP))
                m.tif = m.tif if m.tif <= Tif.GTD else 0
            elif shape < 0.16 and not m.flags & Flag.HIDDEN:
                m.display_qty = max(1, m.qty // 4) if m.qty < 1_000 else m.qty // 3
                m.tif = m.tif if m.tif <= Tif.GTD else 0
            elif shape < 0.26:
                m.min_qty = max(1, m.qty // 2)
        if rng.random() < 0.1:
            m.stp_mode = rng.randint(0, 6)
        if m.tif == Tif.GTD:
            m.expire_ns = self.now_ns + rng.choice((0, 1, 1_000_000_000, 30_000_000_000, 900_000_000_000))
        return m

    def replace(self) -> Message:
        rng = self.rng
        order_id = self.known()
        new_id = order_id if rng.random() < 0.5 else rng.choice((self.known(), rng.getrandbits(64)))
        self.ids.append(new_id)
        return Message(
            Kind.REPLACE,
            session=rng.choice((0, 0, 0, 1)),
            account=rng.choice((0, 0, 0, 1, 2)),
            order_id=order_id,
            new_order_id=new_id,
            px=self.px(),
            qty=self.qty(),
            stop_px=rng.choice((self.px(), 0, 1)),
            display_qty=rng.choice((0, 0, 0, 1, 5)),
            min_qty=rng.choice((0, 0, 0, 1, 2)),
            expire_ns=self.now_ns + rng.choice((0, 1_000_000_000, 100_000_000_000)),
        )

    def rare(self) -> Message:
        rng = self.rng
        symbol = rng.choice((rng.randrange(self.symbols), ALL_SYMBOLS, self.symbols) if rng.random() < 0.2 else (0,))
        kind = rng.choice(
            (Kind.MASS_CANCEL, Kind.INDICATE, Kind.REFERENCE, Kind.BUST, Kind.CORRECT, Kind.TICK, Kind.TICK, 0, 12)
        )
        if rng.random() < 0.25 and not self.phases:
            self.phases = list(rng.choice(_PHASES))
        if rng.random() < 0.03:
            kind = Kind.SESSION_END
        m = Message(kind, symbol=symbol, px=self.px(), qty=self.qty(), new_order_id=rng.randint(0, self.seq))
        if kind == Kind.MASS_CANCEL:
            m.session, m.account, m.side = rng.randint(0, 3), rng.randint(0, 2), rng.choice((0, 1, ANY_SIDE))
        if kind == Kind.REFERENCE:
            m.px = m.px if rng.random() < 0.1 else self.mid + rng.randint(-2, 2)
            m.phase = rng.randint(0, 2)
        if kind == Kind.TICK:
            self.now_ns += rng.choice((0, 15_000_000_000, 60_000_000_000, 300_000_000_000))
        return m
