"""The kill switch against real processes: gateway, simulated venues, strategies and `killswitch` itself, on loopback and free ports."""
