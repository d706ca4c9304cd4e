"""Django's MySQL backend, with transactions that begin by ``BEGIN``; named as ``ENGINE`` by :mod:`mozaiks.kit.databases`."""
