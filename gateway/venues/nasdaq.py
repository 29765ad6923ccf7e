"""nasdaq: OUCH 5.0 over SoupBinTCP.

Source: OUCH 5.0 (2023, revision 1.05 of October 2025), "Enter Order", "Replace Order", "Cancel Order", "Account Query".
"""

from gateway.model import Kind, OrdType, TimeInForce
from gateway.venues.spec import Fence, Messages, Token, VenueSpec

SPEC = VenueSpec(
    name="nasdaq",
    protocol="ouch50",
    session="soup",
    messages=Messages(new="EnterOrder", cancel="CancelOrder", replace="ReplaceOrder", heartbeat="ClientHeartbeat"),
    token=Token.NUMBER,  # UserRefNum: strictly rising from 1 within a day
    evidence=Fence.ACCOUNT_QUERY,
    kinds=frozenset({Kind.NEW_ORDER, Kind.CANCEL, Kind.REPLACE}),
    ord_types=frozenset({OrdType.MARKET, OrdType.LIMIT}),
    times_in_force=frozenset({TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL}),
    cancel_has_token=False,  # Cancel Order names the order's own UserRefNum
    chain_total=True,  # Replace Order: shares of the whole chain, executed ones included
)
