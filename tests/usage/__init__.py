"""Usage by the day."""
