"""Route templates: ``/users/{id}``, as each framework keeps it; never the path that was asked for.

Nothing is imported: what a framework left in its scope or module says which one is there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
_FULL = 2  # starlette.routing.Match.FULL


def of_scope(scope: Scope, request: Scope) -> str:
    """The template of an ASGI request; empty before routing and where there is none.

    ``scope`` is what the framework has been writing to, ``asked`` a copy of it from before.
    """
    if "router" in scope:
        return _starlette(scope, request)
    if "path_template" in scope:  # Litestar
        return str(scope["path_template"])
    return _django(request["path"].removeprefix(request.get("root_path", "")))


def of_environ(environ: Mapping[str, Any]) -> str:
    """The template of a WSGI request; empty before routing and where there is none."""
    return _flask() or _django(environ.get("PATH_INFO", ""))


def _starlette(scope: Scope, request: Scope) -> str:
    """Starlette and FastAPI: the matched route, after the templates of the mounts on the way to it."""
    routes = scope["router"].routes
    # of FastAPI: knows the prefix of the router that includes the route
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = included or scope.get("route")
    if route is None or (hasattr(route, "routes") and hasattr(route, "app")):
        return _walk(routes, request)
    mounted = scope.get("root_path", "") != request.get("root_path", "")
    return (_walk(routes, request, mounts=True) if mounted else "") + str(getattr(route, "path", ""))


def _walk(routes: Iterable[Any], scope: Scope, *, mounts: bool = False) -> str:
    """Match again, as the router did; ``mounts``: only the way to the application that is mounted."""
    for route in routes:
        match, child = route.matches(dict(scope))
        if match.value != _FULL:
            continue
        inner = getattr(route, "routes", None)
        path = str(getattr(route, "path", ""))
        if inner is None:
            return "" if mounts else path
        return path + _walk(inner, {**scope, **child}, mounts=mounts)
    return ""


def _flask() -> str:
    flask = sys.modules.get("flask")
    if flask is None or not flask.has_request_context():
        return ""
    rule = flask.request.url_rule
    return str(rule.rule) if rule is not None else ""


def _django(path: str) -> str:
    """Django keeps the match on its request, which nobody else can reach: resolve again, with the same URL configuration."""
    urls = sys.modules.get("django.urls")
    conf = sys.modules.get("django.conf")
    if urls is None or conf is None or not conf.settings.configured:
        return ""
    try:
        return "/" + str(urls.resolve(path or "/").route).lstrip("/")
    except urls.Resolver404:
        return ""
