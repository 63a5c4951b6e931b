"""Engines that run in the process, as they are: ``make engines`` runs what is here, in environments of their own.

Elsewhere ``tests/contract`` drives them on stand-ins: torch takes 5 GB with all that it brings, and llama.cpp is compiled.
"""

from __future__ import annotations

import importlib.util

_NEEDS = {"transformers": ("transformers", "torch"), "llama_cpp": ("llama_cpp", "gguf"), "vllm": ("vllm",)}
collect_ignore = [
    f"test_engines_{name}.py" for name, modules in _NEEDS.items() if not all(map(importlib.util.find_spec, modules))
]
