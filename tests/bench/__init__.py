"""The bench: how fast an order goes through the gateway, beside a minimal relay and no gateway at all."""
