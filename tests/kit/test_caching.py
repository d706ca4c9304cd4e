"""Tags are the same for the same content, and for nothing else."""

from typing import Any

from mozaiks.kit.caching import etag_of


def test_the_same_content_in_another_order_has_the_same_tag() -> None:
    assert etag_of({"a": 1, "b": [None, "ü"]}) == etag_of({"b": [None, "ü"], "a": 1})


def test_other_content_has_another_tag() -> None:
    contents: list[Any] = [{}, [], {"a": 1}, {"a": "1"}, {"a": None}]

    assert len({etag_of(content) for content in contents}) == 5


def test_a_tag_is_weak() -> None:
    assert etag_of({}).startswith('W/"')
