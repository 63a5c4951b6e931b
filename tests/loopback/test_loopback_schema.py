"""The smallest instance of a schema is one that the schema allows."""

from __future__ import annotations

import pytest

from otel_llm.testing.loopback.schema import example


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "Paris"),
        ({"type": "INTEGER"}, 1),
        ({"type": ["number", "null"]}, 1.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": "x"}, "x"),
        ({"enum": ["b", "a"]}, "b"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array"}, ["Paris"]),
        ({"properties": {"a": {"type": "object"}}}, {"a": {}}),
        ({"$defs": {"A": {"const": 2}}, "properties": {"a": {"$ref": "#/$defs/A"}}}, {"a": 2}),
        ({"$ref": "#/$defs/missing"}, "Paris"),
        ({}, "Paris"),
    ],
)
def test_an_example_of_each_kind(schema, expected):
    assert example(schema) == expected
