"""The seam: what the control plane says to a lane and hears from it, and what drives it. The only importer of the lane extension."""
