"""The whole order path in one process on a virtual clock: lane, control plane, venues and strategies under seeded faults."""
