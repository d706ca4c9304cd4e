"""A catalog and customers from before the engine, and what becomes of them."""
