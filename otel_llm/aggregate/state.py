"""All that a store holds, in one piece, so that a checkpoint can replace it in one step."""

from __future__ import annotations

from typing import Any

from otel_llm.core import measures
from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.core.objectives import DEFAULT

from . import checkpoint
from .bounds import Bounds
from .bundle import Bundle
from .cells import Labels
from .events import Events
from .families import Families
from .judgement import Judge
from .ledger import Ledger
from .ledger_rows import LedgerRows
from .quality import Quality
from .recent import Recent
from .spenders import Spenders
from .views import Views
from .window import Budget, Engine, Spend

MOST_IDENTITIES = 10_000
"""Identities of calls whose cells are kept at hand; past it they are looked up again."""

_NAMES = (
    "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_operation_name", "gen_ai_response_model", "server_address",
    "error_type",
)  # fmt: skip
_RESPONSE = _NAMES.index("gen_ai_response_model")
_Identity = tuple[Labels, Labels]


class State:
    """Series, window, spend, and the ways to them."""

    def __init__(self, config: Config, engine: Engine, spend: Spend) -> None:
        self.bounds = Bounds(config.max_label_values)
        self._by_response_model = config.series == "full"  # whether response models are
        self.families = Families(config.semconv, config.metric_labels, self.bounds, config.window_labels)
        self.engine = engine
        self.ledger = Ledger(spend)
        self.spenders = Spenders(config.top_spenders)
        self.recent = Recent(config.metric_labels)
        self.judge = Judge(DEFAULT)
        self.quality = Quality(config.window)
        self.events = Events(self.families, engine, self.recent, self.quality)
        self.views = Views(self.families, engine, self.ledger, self.quality)
        self._bundles: dict[_Identity, Bundle] = {}  # by what records say
        self._bounded: dict[_Identity, Bundle] = {}  # by what is shown

    @classmethod
    def new(cls, config: Config, budgets: tuple[Budget, ...]) -> State:
        engine = Engine(**_judging(config))
        return cls(config, engine, Spend(**_money(config, budgets)))

    @classmethod
    def load(cls, data: bytes, config: Config, budgets: tuple[Budget, ...]) -> State:
        """The state that ``dump`` wrote. Raises ``ValueError`` for anything else."""
        content = checkpoint.read(data, config.metric_labels)
        try:
            engine = _engine(content["engine"], config)
            spend = Spend.load(content["spend"], **_money(config, budgets))
            state = cls(config, engine, spend)
            state._restore(content)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"a damaged checkpoint: {error!r}") from None
        return state

    def dump(self) -> bytes:
        """All of it, for ``load``."""
        content = {
            "cells": checkpoint.dumped_cells(self.families),
            "overflow": self.bounds.overflow,
            "began": self.views.began,
            "engine": self.engine.dump(),
            "spend": self.ledger.spend.dump(),
            "recent": self.recent.dump(),
            "judge": self.judge.dump(),
            "quality": self.quality.dump(),
            "ledger": self.ledger.rows.dump(),
            "spenders": self.spenders.dump(),
        }
        return checkpoint.write(content, self.families.custom)

    def add_spend(self, spend: object) -> None:
        """Add what ``Spend.dump`` of an earlier start gave. Raises ``ValueError`` for anything else."""
        self.ledger.spend.merge(Spend.load(spend))

    def _restore(self, content: dict[str, Any]) -> None:
        checkpoint.restore_cells(self.families, content["cells"])
        self.views.began = content["began"]
        self.recent = self.events.recent = Recent.load(content["recent"])
        self.judge = Judge.load(content["judge"], DEFAULT)
        self.quality = self.events.quality = self.views.quality = Quality.load(content["quality"], self.quality.window)
        self.ledger.rows = LedgerRows.load(content["ledger"])
        self.spenders = Spenders.load(content["spenders"], self.spenders.most)
        self.bounds.overflow = dict(content["overflow"])  # last: what came before has counted some again

    def bundle(self, call: Observation) -> Bundle:
        """The cells that ``call`` touches."""
        identity = (measures.identity(call), call.labels)
        return self._bundles.get(identity) or self._find(identity, call)

    def at_hand(self, call: Observation) -> Bundle | None:
        """The same; None where no such call has come yet, or where one of its words was replaced."""
        return self._bundles.get((measures.identity(call), call.labels))

    def _find(self, identity: _Identity, call: Observation) -> Bundle:
        names = (
            identity[0] if self._by_response_model else (*identity[0][:_RESPONSE], "", *identity[0][_RESPONSE + 1 :])
        )
        bounded = self.bounds.values(_NAMES, names), self.bounds.values(self.families.custom, identity[1])
        if max(len(self._bundles), len(self._bounded)) >= MOST_IDENTITIES:
            self._bundles.clear()
            self._bounded.clear()
        bundle = self._bounded.get(bounded)
        if bundle is None:
            bundle = self._bounded[bounded] = Bundle(self.families, *bounded)
            bundle.begin(call.at - call.duration)
            self.views.begin(call.at - call.duration)
        if bounded == (names, identity[1]):  # what was replaced has no bound, and is to be counted each time
            self._bundles[identity] = bundle
        return bundle


def _money(config: Config, budgets: tuple[Budget, ...]) -> dict[str, Any]:
    daily, monthly = config.budget_daily, config.budget_monthly
    return {"zone": config.timezone, "daily": daily, "monthly": monthly, "budgets": budgets}


def _engine(dumped: Any, config: Config) -> Engine:
    """The window of a checkpoint; a fresh one where it was kept for another length: the counters are worth keeping without."""
    fresh = Engine(**_judging(config))
    expected: Any = fresh.dump()
    if dumped[:2] == expected[:2] and dumped[2] != expected[2]:
        return fresh
    return Engine.load(dumped, **_judging(config))


def _judging(config: Config) -> dict[str, Any]:
    return {
        "window": config.window,
        "scale": config.anomaly_scale,
        "sensitivity": config.anomaly_sensitivity,
        "line": config.anomaly_line,
        "alarms": config.anomaly_alarms,
        "signals": config.anomaly_signals,
        "labels": config.metric_labels,
    }
