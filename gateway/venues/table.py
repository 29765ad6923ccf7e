"""The venues there are, by name."""

from gateway.venues import generic_fix44, nasdaq
from gateway.venues.spec import VenueSpec

VENUES: dict[str, VenueSpec] = {spec.name: spec for spec in (generic_fix44.SPEC, nasdaq.SPEC)}
