"""What can go wrong between a strategy and its gateway; a denied order is none of these, but a report."""


class NotConnected(Exception):
    """A request was made while no session is open; nothing was sent, and it has no id."""


class ConnectionLost(ConnectionError):
    """The session with the gateway is gone and was not got back; str() says why."""


class LoginRejected(ConnectionLost):
    """The gateway does not know the strategy, or the key is another."""


class ReportsDropped(Exception):
    """client.reports() was not asked for so long that its oldest reports were dropped; str() says how to get them again."""
