"""The rules of the house, as tests: who imports whom, who reads the clock, what refuses to start."""
