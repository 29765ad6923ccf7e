/* Generated from gateway/codecs/layouts/house/order.toml by `python -m gateway.codecs.generate`; change that file, not this one: what each reason says. */
#ifndef GW_REASONS_H
#define GW_REASONS_H

#define GW_REASONS 33
static const char *const gw_reason_texts[GW_REASONS] = {
    "no reason given",
    "the venue's session is not connected",
    "the venue's session is recovering; send again when it is open",
    "the kill switch is engaged for a scope of this order",
    "the gateway restarted before the order was sent",
    "the order waited longer than queue_ttl for the venue to take it",
    "the order id was used before or does not rise",
    "the symbol is not in the instrument file",
    "the account is not configured for this strategy",
    "the venue is not configured, or has no row for the symbol",
    "there is no such order",
    "the price is not a multiple of the instrument's tick",
    "the quantity is not a multiple of the instrument's lot",
    "the quantity is missing, zero, negative or too large",
    "the price is missing, out of range, or not for this order type",
    "the venue's protocol cannot say this",
    "the message is not well formed",
    "a risk control was breached; control and scope name it",
    "a table of the gateway is full",
    "the journal's ring is nearly full",
    "the journal could not be written to disk",
    "the instrument is halted",
    "the order is already final",
    "the order already has a cancel or replace under way",
    "no byte of the message left before its connection closed",
    "this strategy may not do this",
    "the message rate allowed was exceeded",
    "the connection closed",
    "the gateway is shutting down",
    "a report about an order that the gateway does not know",
    "another reason; the text says which",
    "an operator has paused new orders of a scope of this order",
    "an operator has cancelled it",
};

#endif
