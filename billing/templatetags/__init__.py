"""How templates write what billing tells."""
