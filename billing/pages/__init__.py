"""
The pages of customers: what a workspace is on, what it has left, what it bought, and how it gets more.

``workspace`` are the views · ``reading`` reads what they show, each part by itself, so that a script may ask for one part ·
``charts`` places bars. Everything works without scripts; forms call the same functions as the API.
"""
