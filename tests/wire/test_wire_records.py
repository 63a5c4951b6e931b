"""What the loopback sends is what is on record, byte for byte."""

from __future__ import annotations

import pytest
from wire_conversations import CONVERSATIONS, RECORDS, exchange


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda one: f"{one.family}-{one.name}")
def test_the_bytes_are_those_on_record(conversation):
    assert exchange(conversation) == conversation.record.read_bytes()


def test_every_record_belongs_to_a_conversation():
    assert set(RECORDS.glob("*/*.http")) == {conversation.record for conversation in CONVERSATIONS}
