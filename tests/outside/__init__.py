"""Other people's programs and data against the running gateway: QuickFIX, tshark, real packets."""
