"""What a strategy imports; nothing else of the house is needed."""
