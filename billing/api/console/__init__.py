"""
The doors for people who script their catalog: staff only, by the permissions of the console, by the rules of the console.

``doors`` is what every view here shares, ``shapes`` are the items as the catalog document has them, described once.
"""
