"""What a strategy imports; nothing else of the house is needed, and the standard library is enough (AsyncClient wants trio)."""

from typing import TYPE_CHECKING, Any

from gateway.client.blocking import Client, Order
from gateway.client.core import Key
from gateway.client.errors import ConnectionLost, LoginRejected, NotConnected, ReportsDropped
from gateway.client.report import Report

if TYPE_CHECKING:
    from gateway.client.trio_client import AsyncClient, AsyncOrder

__all__ = [
    "AsyncClient", "AsyncOrder", "Client", "ConnectionLost", "Key", "LoginRejected", "NotConnected", "Order", "Report", "ReportsDropped",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """AsyncClient and AsyncOrder, when they are asked for: trio comes in with them, not before."""
    if name in ("AsyncClient", "AsyncOrder"):
        from gateway.client import trio_client

        return getattr(trio_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
