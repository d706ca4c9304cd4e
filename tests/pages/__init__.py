"""The pages of customers, as the server words them; how they live in a browser is told in ``tests/browser``."""
