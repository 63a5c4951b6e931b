"""Whom a call names: labels that may be anything, hashed unless they are to be shown."""

from __future__ import annotations

import hashlib

import openai

import otel_llm
from otel_llm.calls.spenders import LONGEST, MOST_NAMES, Spenders, hashed
from otel_llm.core.config import Config
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback


def test_values_are_hashed_unless_they_are_to_be_shown():
    alice = hashlib.sha256(b"alice@example.com").hexdigest()[:12]
    labels = {"user": "alice@example.com", "plan": "pro", "route": "/chat", "empty": ""}
    assert Spenders(("plan",))(labels) == (("user", f"#{alice}"), ("plan", "pro"), ("route", "/chat"))
    assert hashed("\udc80").startswith("#")


def test_they_are_bounded():
    shown = Spenders(("a0",))({f"a{number}": "x" * 500 for number in range(20)})
    assert len(shown) == MOST_NAMES
    assert shown[0] == ("a0", "x" * LONGEST)


def test_a_priced_call_names_its_caller():
    config = Config(metric_labels=("tenant",), plain_labels=("plan",), providers=(("127.0.0.1", "openai"),))

    def price(*_):
        return 0.5, "prices", 0.0, ()

    with Loopback() as server, capture("openai", config=config, price=price) as captured:
        client = openai.OpenAI(api_key="test-key", base_url=f"{server.url}/v1")
        ask = {"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]}
        client.chat.completions.create(**ask)
        with otel_llm.labels(user="alice", tenant="acme", plan="pro"):
            client.chat.completions.create(**ask)
    bare, named = captured.calls
    assert bare.spenders == ()
    assert named.spenders == (("user", hashed("alice")), ("tenant", "acme"), ("plan", "pro"))
    assert named.labels == ("acme",)  # what is no metric label is in no series
