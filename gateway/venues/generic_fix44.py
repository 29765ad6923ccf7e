"""generic_fix44: a venue that follows FIX 4.4 to the letter and asks for nothing of its own.

Source: FIX 4.4 with errata 20030618, volumes 2 (session) and 4 (orders).
"""

from gateway.model import Kind, OrdType, TimeInForce
from gateway.venues.spec import Fence, Messages, Token, VenueSpec

SPEC = VenueSpec(
    name="generic_fix44",
    protocol="fix44",
    session="fix",
    messages=Messages(new="NewOrderSingle", cancel="OrderCancelRequest", replace="OrderCancelReplaceRequest", status="OrderStatusRequest"),
    token=Token.TEXT,
    evidence=Fence.MASS_STATUS,
    kinds=frozenset({Kind.NEW_ORDER, Kind.CANCEL, Kind.REPLACE, Kind.STATUS}),
    ord_types=frozenset({OrdType.MARKET, OrdType.LIMIT, OrdType.STOP, OrdType.STOP_LIMIT}),
    times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL, TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL}),
    cancel_has_token=True,
    chain_total=True,
)
