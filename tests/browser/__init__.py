"""Stories told in a real browser: what people see, at the addresses they reach by clicking."""
