"""The control plane: what is not on an order's way. `core` decides and does no I/O; the trio tasks beside it only carry."""
