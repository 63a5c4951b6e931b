"""Flask, Django and plain WSGI applications under the middleware, and Django's ASGI side."""

from __future__ import annotations

from wsgiref.util import FileWrapper, setup_testing_defaults

import django
import pytest
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path, re_path
from flask import Blueprint, Flask, Response, stream_with_context
from opentelemetry.trace import SpanKind
from starlette.testclient import TestClient

import otel_llm
from otel_llm.middleware import ASGIMiddleware, WSGIMiddleware

PER_CALL = (100 * 2.5 + 20 * 10) / 1e6  # what the loopback answers, at gpt-4o's price
HOST = {}  # what the Django views below call


def call(app, path="/", headers=None, close=True):
    """One request, as a server makes it; returns (status, headers, body)."""
    environ = {"PATH_INFO": path, "SCRIPT_NAME": "", "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    environ.update({f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()})
    setup_testing_defaults(environ)
    begun = []
    body = app(environ, lambda status, headers, *error: begun.append((status, headers)))
    content = b"".join(body)
    if close and hasattr(body, "close"):
        body.close()
    return begun[0][0], dict(begun[0][1]), content


@pytest.fixture
def flask_app(ask):
    app = Flask("shop")
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @app.get("/users/<int:user_id>")
    def user(user_id):
        ask()
        return "ok"

    @app.get("/stream/<name>")
    def stream(name):
        def body():
            for _ in range(3):
                ask()
                yield "chunk"

        return Response(stream_with_context(body()))

    @admin.get("/reports/<name>")
    def report(name):
        with otel_llm.labels(tenant="inner"):
            ask()
        return "ok"

    @app.get("/idle")
    def idle():
        return "no call"

    @app.get("/broken")
    def broken():
        ask()
        raise RuntimeError("the host's own")

    @app.get("/after")
    def after():
        response = Response("ok")
        response.call_on_close(ask)
        return response

    app.register_blueprint(admin)
    return app


@pytest.mark.parametrize(
    ("path", "template", "calls"),
    [("/users/7", "/users/<int:user_id>", 1), ("/stream/secret", "/stream/<name>", 3), ("/after", "/after", 1)],
)
def test_flask_calls_carry_the_rule_and_requests_their_cost(flask_app, watched, costs, path, template, calls):
    flask_app.wsgi_app = WSGIMiddleware(flask_app.wsgi_app)
    assert call(flask_app, path)[0] == "200 OK"
    assert len(watched.calls) == calls
    assert costs() == [((template, *watched.calls[0].labels), pytest.approx(calls * PER_CALL))]


def test_flask_streams_carry_the_rule_in_every_chunk(flask_app, watched):
    call(WSGIMiddleware(flask_app), "/stream/secret")
    assert [seen.labels for seen in watched.calls] == [("", "/stream/<name>")] * 3


def test_flask_blueprints_and_labels_inside(flask_app, costs):
    call(WSGIMiddleware(flask_app, headers={"X-Tenant": "tenant"}), "/admin/reports/q3", {"X-Tenant": "outer"})
    assert costs() == [(("/admin/reports/<name>", "inner", "/admin/reports/<name>"), pytest.approx(PER_CALL))]


def test_flask_idle_and_broken_requests(flask_app, costs):
    app = WSGIMiddleware(flask_app)
    assert call(app, "/idle")[2] == b"no call"
    assert call(app, "/no/such/path")[0] == "404 NOT FOUND"
    assert call(app, "/broken")[0] == "500 INTERNAL SERVER ERROR"
    assert [labels[0] for labels, _ in costs()] == ["/broken"]


def test_a_stream_that_the_client_leaves_has_cost_what_it_did(flask_app, costs):
    environ = {"PATH_INFO": "/stream/secret"}
    setup_testing_defaults(environ)
    body = WSGIMiddleware(flask_app)(environ, lambda *_: None)
    next(iter(body))
    body.close()
    body.close()
    assert costs() == [(("/stream/<name>", "", "/stream/<name>"), pytest.approx(PER_CALL))]


def test_labels_from_a_callable_and_headers(flask_app, watched):
    app = WSGIMiddleware(
        flask_app, headers={"x-tenant": "tenant"}, labels=lambda environ: {"tenant": environ["HTTP_X_TENANT"] * 2}
    )
    call(app, "/users/7", {"X-Tenant": "ab"})
    assert watched.call.labels == ("abab", "/users/<int:user_id>")


def test_server_timing_only_if_asked(flask_app):
    assert "Server-Timing" not in call(WSGIMiddleware(flask_app), "/users/7")[1]
    entry = call(WSGIMiddleware(flask_app, server_timing=True), "/users/7")[1]["Server-Timing"]
    assert entry.endswith(f';desc="1 calls, 120 tokens, ${PER_CALL:.6f}"')


class TestPlain:
    def test_a_list_is_handed_on_as_it_is(self, ask, costs):
        body = [b"ok"]

        def app(environ, start_response):
            ask()
            start_response("200 OK", [])
            return body

        environ = {}
        setup_testing_defaults(environ)
        assert WSGIMiddleware(app, route=lambda environ: "/x")(environ, lambda *_: None) is body
        assert costs() == [(("/x", "", "/x"), pytest.approx(PER_CALL))]

    def test_a_file_is_handed_on_as_it_is(self, ask, costs, tmp_path):
        (tmp_path / "file").write_bytes(b"content")

        def app(environ, start_response):
            ask()
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](opened)

        with (tmp_path / "file").open("rb") as opened:
            environ = {"wsgi.file_wrapper": FileWrapper}
            setup_testing_defaults(environ)
            assert type(WSGIMiddleware(app)(environ, lambda *_: None)) is FileWrapper
        assert [labels for labels, _ in costs()] == [("", "", "")]

    def test_an_application_that_raises_is_left_to_raise(self, ask, costs):
        def app(environ, start_response):
            ask()
            raise KeyError("the host's own")

        with pytest.raises(KeyError, match="the host's own"):
            call(WSGIMiddleware(app))
        assert len(costs()) == 1


class TestServerSpan:
    def test_a_span_that_ends_before_we_do(self, flask_app, tracer, exporter):
        """As Flask's and Django's instrumentations do: opened inside, ended before the server gets the response."""

        def instrumented(environ, start_response):
            with tracer.start_as_current_span("GET", kind=SpanKind.SERVER):
                return flask_app.wsgi_app(environ, start_response)

        call(WSGIMiddleware(instrumented), "/users/7")
        (span,) = exporter.get_finished_spans()
        assert span.attributes["otel_llm.request.calls"] == 1
        assert span.attributes["otel_llm.request.cost.usd"] == pytest.approx(PER_CALL)


def _view(request, **kwargs):
    HOST["ask"]()
    return HttpResponse("ok")


async def _async_view(request, **kwargs):
    await HOST["ask_async"]()
    return HttpResponse("ok")


def _stream(request, name):
    def body():
        for _ in range(2):
            HOST["ask"]()
            yield b"chunk"

    return StreamingHttpResponse(body())


urlpatterns = [
    path("users/<int:pk>/", _view),
    path("async/<slug:name>/", _async_view),
    path("stream/<str:name>/", _stream),
    re_path(r"^old/(?P<year>[0-9]{4})/$", _view),
]


@pytest.fixture(scope="module")
def configured():
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DEBUG=False, SECRET_KEY="test-key", MIDDLEWARE=[])
    django.setup()


@pytest.fixture
def views(configured, ask, ask_async):
    HOST.update(ask=ask, ask_async=ask_async)
    yield
    HOST.clear()


@pytest.mark.parametrize(
    ("path", "template", "calls"),
    [
        ("/users/7/", "/users/<int:pk>/", 1),
        ("/stream/secret/", "/stream/<str:name>/", 2),
        ("/old/2019/", "/^old/(?P<year>[0-9]{4})/$", 1),
        ("/async/name/", "/async/<slug:name>/", 1),
    ],
)
def test_django_under_wsgi(views, watched, costs, path, template, calls):
    from django.core.wsgi import get_wsgi_application

    status, _, _ = call(WSGIMiddleware(get_wsgi_application()), path)
    assert status == "200 OK"
    assert [seen.labels for seen in watched.calls] == [("", template)] * calls
    assert costs() == [((template, "", template), pytest.approx(calls * PER_CALL))]


def test_django_under_asgi(views, watched, costs):
    from django.core.asgi import get_asgi_application

    served = TestClient(ASGIMiddleware(get_asgi_application()))
    assert served.get("/users/7/").status_code == 200
    assert served.get("/async/name/").status_code == 200
    assert served.get("/nowhere/").status_code == 404
    assert [labels[0] for labels, _ in costs()] == ["/users/<int:pk>/", "/async/<slug:name>/"]
