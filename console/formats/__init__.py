"""How the console writes times: to the second, in an order that sorts."""
