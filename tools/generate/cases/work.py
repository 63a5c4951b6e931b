"""Cases of alerts on agents and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.generate.promtests import Case, exactly, of_service, pair, ramp

if TYPE_CHECKING:
    from tools.generate.promtests import Series


def cases() -> list[Case]:
    """In the order of the rules."""
    return [*_failing("agent", "LLMAgentFailing"), *_failing("tool", "LLMToolFailing"), *_expensive(), *_circles()]


def _failing(kind: str, alert: str) -> list[Case]:
    of_agent = {"gen_ai_agent_name": "support"}
    name, labels = {
        "agent": ("gen_ai_invoke_agent_duration_seconds_count", of_agent),
        "tool": (
            "gen_ai_execute_tool_duration_seconds_count",
            {"gen_ai_tool_name": "search", "gen_ai_tool_type": "function", **of_agent},
        ),
    }[kind]
    who = {"agent": "support", "tool": "search"}[kind]

    def fed(well: float, badly: float, error: str = "timeout") -> tuple[Series, ...]:
        return (
            exactly(name, ramp((well, 60)), **labels, error_type=""),
            exactly(name, ramp((badly, 60)), **labels, error_type=error),
        )

    words = (f"25 % of {kind} runs {verb}" for verb in ("fail", "failed"))
    expected = of_service("warning", "agents", f"{kind} fails in 25 %", *words, who, **{f"gen_ai_{kind}_name": who})
    return pair(
        Case(alert, "a quarter fails", fed(3, 1), 30, (expected,), (5,)),
        ("a fifth fails", fed(4, 1)),
        ("a few runs", fed(0.45, 0.15)),
        ("a quarter is cancelled", fed(3, 1, "cancelled")),
    )


def _expensive() -> list[Case]:
    labels = {"gen_ai_agent_name": "support"}

    def fed(cost: float, runs: float) -> tuple[Series, ...]:
        return (
            exactly("otel_llm_run_cost_usd_sum", ramp((cost * runs, 60)), **labels),
            exactly("otel_llm_run_cost_usd_count", ramp((runs, 60)), **labels),
        )

    words = (f"a run {verb} $2.00" for verb in ("costs", "cost"))
    expected = of_service("warning", "agents", "a run costs $2.00", *words, "support", **labels)
    return pair(
        Case("LLMRunExpensive", "two dollars a run", fed(2, 1), 30, (expected,), (5,)),
        ("half a dollar a run", fed(0.5, 1)),
        ("a few runs", fed(2, 0.5)),
    )


def _circles() -> list[Case]:
    labels = {"gen_ai_agent_name": "support", "gen_ai_tool_name": "search"}

    def fed(step: int) -> tuple[Series, ...]:
        values = f"0x33 {4 * step}x200"  # between two scrapes that are both within a window of whole minutes
        return (exactly("otel_llm_tool_repeats_total", values, **labels),)

    def case(severity: str, name: str, step: int) -> Case:
        words = (f"{4 * step} calls of a tool {verb} an earlier one" for verb in ("repeat", "repeated"))
        expected = of_service(
            severity, "agents", f"{4 * step} repeated tool calls", *words, "support", "search", **labels
        )
        return Case("LLMToolRepeats", name, fed(step), 12, (expected,), (4, 30), every="15s")

    return [
        *pair(case("warning", "eight repeats", 2), ("four repeats", fed(1))),
        case("critical", "twenty-four repeats", 6),
    ]
