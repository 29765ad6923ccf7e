"""The bounds of everything that could grow, each with the reason for its value; what a deployment may size is in config.py."""

# Text of the order record: a name that does not fit would be cut, and two names could become one.
SYMBOL_BYTES_MAX = 16
NAME_BYTES_MAX = 16  # of a venue, account or strategy

# One message. The longest FIX 4.4 order seen is about 600 bytes, the longest native one 1,400 (with all its options); a peer that
# announces more is lying about its length.
MESSAGE_BYTES_MAX = 4096
# An `admin` message comes to the control plane whole, in its ring entry (R1); a longer one closes the connection.
EVENT_BYTES_MAX = 4096

# Unsent bytes the kernel may hold for a connection: what may still drain after the kill switch. 16 KiB is some 80 orders,
# and the least at which a burst was not slowed.
NOTSENT_LOWAT_BYTES = 16 * 1024

# Numbers asked for in one ResendRequest: larger gaps go in pieces, so that a venue's resend never holds more than one piece.
RESEND_CHUNK = 2500
# Live messages kept while a gap is open; the rest is counted, dropped and asked for again.
KEPT_MESSAGES = 1024

# ClOrdIDs a FIX door remembers beside those of open orders (D6): 2²⁰ is ten minutes at 1,700 orders a second.
REMEMBERED_IDS = 1 << 20

# Sizes of tables that a configuration may ask for. 2²² orders of some 600 bytes are 2.5 GiB, more than a gateway should need.
OPEN_ORDERS_MAX = 1 << 22
CONNECTIONS_MAX = 4096

# Command and event rings, in entries: a full command ring makes the control plane wait, never the lane.
RING_ENTRIES = 1024

# Scopes in the latch file; 256 bytes each make one small mapped file that the lane compares in one pass.
LATCH_SLOTS = 128

# Lines of log a second of one event and connection: enough to see what happens; a peer that sends garbage must not fill the disk.
LOG_LINES_PER_S = 10

# Instrument rows: each is 200 bytes in the lane; more than this is a mistake in an export.
INSTRUMENTS_MAX = 1 << 20
