"""The endpoints that the server answers: OpenAI's and Anthropic's, as the demo needs them, and what others add."""

from __future__ import annotations

from . import anthropic, openai_chat, openai_embeddings, openai_responses
from .call import Route


class Routes:
    """Endpoints in the order in which they are tried: the narrow ones before those that take many paths."""

    def __init__(self, *routes: Route) -> None:
        self._routes = routes
        self._known: dict[tuple[str, str], Route | None] = {}

    def use(self, *routes: Route) -> None:
        """Answer these instead."""
        self._routes, self._known = routes, {}

    def find(self, method: str, path: str) -> Route | None:
        """The first route that takes the request."""
        endpoint = method, path
        if endpoint not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[endpoint] = next(
                (route for route in self._routes if route.method == method and route.path.search(path)), None
            )
        return self._known[endpoint]


MOST_KNOWN = 4096
"""Paths whose route is kept at hand."""
ROUTES = Routes(*anthropic.ROUTES, *openai_chat.ROUTES, *openai_responses.ROUTES, *openai_embeddings.ROUTES)
