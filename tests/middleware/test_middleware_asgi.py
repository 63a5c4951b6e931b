"""FastAPI, Starlette, Django and plain ASGI applications under the middleware."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import openai
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient

import otel_llm
from otel_llm.aggregate import Store
from otel_llm.core.config import Config
from otel_llm.middleware import ASGIMiddleware

PER_CALL = (100 * 2.5 + 20 * 10) / 1e6  # what the loopback answers, at gpt-4o's price


@pytest.fixture
def fast(ask, ask_async):
    app = FastAPI()
    _add_endpoints(app, ask, ask_async)
    _add_odd_endpoints(app, ask_async)
    return app


def _add_endpoints(app, ask, ask_async):
    router = APIRouter(prefix="/v1")

    @app.get("/users/{user_id}")
    async def user(user_id: int):
        await ask_async()
        return {"user": user_id}

    @app.get("/sync/{name}")
    def sync(name: str):
        ask()
        return ask() and name

    @router.get("/items/{item}")
    async def item(item: str):
        await ask_async()
        return item

    @app.get("/later/{name}")
    async def later(name: str, tasks: BackgroundTasks):
        tasks.add_task(ask)
        return name

    app.include_router(router)


def _add_odd_endpoints(app, ask_async):
    @app.get("/stream/{name}")
    async def stream(name: str):
        async def body():
            for _ in range(3):
                await ask_async()
                yield b"chunk"

        return StreamingResponse(body())

    @app.get("/labelled/{name}")
    async def labelled(name: str):
        with otel_llm.labels(tenant="inner"):
            await ask_async()
        return name

    @app.get("/idle")
    async def idle():
        return "no call"

    @app.get("/broken/{name}")
    async def broken(name: str):
        await ask_async()
        raise RuntimeError("the host's own")


def client(app, **options):
    return TestClient(ASGIMiddleware(app, **options))


@pytest.mark.parametrize(
    ("path", "template", "calls"),
    [
        ("/users/7", "/users/{user_id}", 1),
        ("/sync/anna", "/sync/{name}", 2),
        ("/v1/items/book", "/v1/items/{item}", 1),
        ("/later/anna", "/later/{name}", 1),
        ("/stream/anna", "/stream/{name}", 3),
    ],
)
def test_fastapi_calls_carry_the_route_template_and_requests_their_cost(fast, watched, costs, path, template, calls):
    assert client(fast).get(path).status_code == 200
    assert [call.labels for call in watched.calls] == [("", template)] * calls
    assert costs() == [((template, "", template), pytest.approx(calls * PER_CALL))]


def test_fastapi_as_the_framework_adds_middleware(fast, watched, costs):
    fast.add_middleware(ASGIMiddleware)
    TestClient(fast).get("/users/7")
    assert costs() == [(("/users/{user_id}", "", "/users/{user_id}"), pytest.approx(PER_CALL))]


def test_a_request_without_a_call_costs_no_sample(fast, costs):
    assert client(fast).get("/idle").json() == "no call"
    assert client(fast).get("/no/such/path").status_code == 404
    assert costs() == []


def test_a_request_that_fails_has_cost_what_it_did(fast, costs):
    with pytest.raises(RuntimeError, match="the host's own"):
        client(fast).get("/broken/anna")
    assert costs() == [(("/broken/{name}", "", "/broken/{name}"), pytest.approx(PER_CALL))]


def test_labels_come_from_named_headers_only(fast, watched, costs):
    served = client(fast, headers={"X-Tenant": "tenant"})
    served.get("/users/7", headers={"X-Tenant": "acme", "X-Secret": "nobody reads this"})
    assert [call.labels for call in watched.calls] == [("acme", "/users/{user_id}")]
    assert costs()[0][0] == ("/users/{user_id}", "acme", "/users/{user_id}")


def test_labels_come_from_a_callable(fast, watched):
    client(fast, labels=lambda scope: {"tenant": scope["query_string"].decode(), "none": None}).get("/users/7?acme")
    assert watched.call.labels == ("acme", "/users/{user_id}")


def test_a_callable_that_fails_costs_the_host_nothing(fast, watched, monkeypatch):
    monkeypatch.setattr("otel_llm.core.guard.Guard.strict", False)
    assert client(fast, labels=lambda scope: scope["no such key"]).get("/users/7").status_code == 200
    assert len(watched.calls) == 1


def test_labels_inside_a_handler_reach_the_request_s_cost(fast, costs):
    client(fast, headers={"X-Tenant": "tenant"}).get("/labelled/x", headers={"X-Tenant": "outer"})
    assert costs()[0][0] == ("/labelled/{name}", "inner", "/labelled/{name}")


def test_a_long_header_is_cut(fast, watched):
    client(fast, headers={"X-Tenant": "tenant"}).get("/users/7", headers={"X-Tenant": "x" * 5000})
    assert len(watched.call.labels[0]) == 256


def test_requests_at_the_same_time_are_kept_apart(fast, costs, watched):
    async def get(path):
        sent = []

        messages = [{"type": "http.request", "body": b""}]

        async def receive():
            return messages.pop() if messages else await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
                 "headers": [(b"x-tenant", path[-1].encode())], "asgi": {"version": "3.0"}, "http_version": "1.1"}  # fmt: skip
        await served(scope, receive, send)

    async def all_at_once():
        await asyncio.gather(*(get(f"/stream/{number}") for number in range(5)))

    served = ASGIMiddleware(fast, headers={"x-tenant": "tenant"})
    asyncio.run(all_at_once())
    assert sorted(labels[1] for labels, _ in costs()) == ["0", "1", "2", "3", "4"]
    assert [value for _, value in costs()] == [pytest.approx(3 * PER_CALL)] * 5


def test_starlette_routes_mounts_background_and_streams(ask, ask_async, watched, costs):
    async def plain(request):
        await ask_async()
        return PlainTextResponse("ok", background=BackgroundTask(ask))

    async def stream(request):
        async def body():
            await ask_async()
            yield b"1"

        return StreamingResponse(body())

    inner = Starlette(routes=[Route("/docs/{doc:int}", plain), Route("/s", stream)])
    app = Starlette(
        routes=[Route("/users/{id}", plain), Mount("/of/{tenant}", app=inner), Mount("/raw", app=_answers(ask))]
    )
    served = client(app)
    for path in ("/users/anna", "/of/acme/docs/7", "/of/acme/s", "/raw/anything/secret"):
        assert served.get(path).status_code == 200
    templates = ["/users/{id}", "/of/{tenant}/docs/{doc:int}", "/of/{tenant}/s", "/raw"]
    assert [labels[0] for labels, _ in costs()] == templates
    assert [round(value / PER_CALL) for _, value in costs()] == [2, 2, 1, 1]


def test_a_starlette_that_keeps_no_route_is_matched_again(ask, costs):
    async def endpoint(request):
        request.scope.pop("route", None)  # as before Starlette 1
        ask()
        request.scope.pop("route", None)
        return PlainTextResponse("ok")

    app = Starlette(routes=[Mount("/a", routes=[Route("/b/{c}", endpoint)]), Route("/{x}", endpoint)])
    client(app).get("/a/b/secret")
    client(app).get("/secret")
    assert [labels[0] for labels, _ in costs()] == ["/a/b/{c}", "/{x}"]


def test_a_websocket_is_a_request_too(ask_async, costs):
    async def talk(socket):
        await socket.accept()
        for _ in range(2):
            await ask_async()
            await socket.send_text("said")
        await socket.close()

    with client(Starlette(routes=[WebSocketRoute("/talk/{room}", talk)])).websocket_connect("/talk/secret") as socket:
        assert [socket.receive_text(), socket.receive_text()] == ["said", "said"]
    assert costs() == [(("/talk/{room}", "", "/talk/{room}"), pytest.approx(2 * PER_CALL))]


def _answers(ask):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        ask()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


def test_a_plain_application_names_its_routes_itself(ask, costs, watched):
    assert client(_answers(ask), route=lambda scope: "/echo").get("/echo/secret").text == "ok"
    assert client(_answers(ask)).get("/echo/secret").text == "ok"
    assert [labels for labels, _ in costs()] == [("/echo", "", "/echo"), ("", "", "")]


def test_litestar_keeps_its_template_in_the_scope(ask, costs):
    async def app(scope, receive, send):
        scope["path_template"] = "/books/{book_id:int}"
        await _answers(ask)(scope, receive, send)

    client(app).get("/books/7")
    assert costs()[0][0][0] == "/books/{book_id:int}"


def test_lifespan_messages_pass_through(fast):
    started = []
    fast.router.lifespan_context = _lifespan(started)
    with client(fast):
        assert started == ["up"]
    assert started == ["up", "down"]


def _lifespan(started):
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan(app):
        started.append("up")
        yield
        started.append("down")

    return lifespan


def test_server_timing_only_if_asked(fast):
    assert "server-timing" not in client(fast).get("/users/7").headers
    assert "server-timing" not in client(fast, server_timing=True).get("/idle").headers
    entry = client(fast, server_timing=True).get("/sync/anna").headers["server-timing"]
    assert entry.startswith("llm;dur=")
    assert entry.endswith(f';desc="2 calls, 240 tokens, ${2 * PER_CALL:.6f}"')


def of_host(exporter):
    """The spans of the host's instrumentation; FastAPI writes some of its own."""
    return [span for span in exporter.get_finished_spans() if span.instrumentation_scope.name == "host"]


class TestServerSpan:
    def test_a_span_around_us_gets_the_totals_background_included(self, fast, tracer, exporter):
        with tracer.start_as_current_span("GET", kind=SpanKind.SERVER):
            client(fast).get("/stream/anna")
        (span,) = of_host(exporter)
        assert span.attributes["otel_llm.request.calls"] == 3
        assert span.attributes["otel_llm.request.input_tokens"] == 300
        assert span.attributes["otel_llm.request.output_tokens"] == 60
        assert span.attributes["otel_llm.request.cost.usd"] == pytest.approx(3 * PER_CALL)
        assert 0 < span.attributes["otel_llm.request.time_ratio"] <= 1

    def test_a_span_that_opens_inside_of_us_and_ends_with_the_last_byte(self, fast, tracer, exporter):
        async def instrumented(scope, receive, send):
            if scope["type"] != "http":
                return await fast(scope, receive, send)
            span = tracer.start_span("GET", kind=SpanKind.SERVER)

            async def ending(message):
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    span.end()

            return await fast(scope, receive, ending)

        client(instrumented).get("/later/anna")
        client(instrumented).get("/sync/anna")
        after, during = (span.attributes for span in of_host(exporter))
        assert "otel_llm.request.calls" not in after  # the call was made when the span had ended
        assert during["otel_llm.request.calls"] == 2

    def test_a_span_of_another_kind_is_not_ours_to_write_on(self, fast, tracer, exporter):
        with tracer.start_as_current_span("job"):
            client(fast).get("/users/7")
        assert [dict(span.attributes) for span in of_host(exporter)] == [{}]


def test_a_failed_call_is_listed_with_its_status_and_route(server, watched):
    app = FastAPI()
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0) as asked:

        @app.get("/users/{user_id}")
        def user(user_id: int):
            with suppress(openai.RateLimitError):
                asked.chat.completions.create(model="gpt-x-fail-429", messages=[])
            return asked.chat.completions.create(model="gpt-4o", messages=[]).id

        client(app).get("/users/7")
    failed, answered = watched.calls
    assert (failed.failure, answered.failure) == ((429, "/users/{user_id}"), ())
    store = Store(Config(metric_labels=("tenant", "route")))
    for call in watched.calls:
        store.apply(call)
    (row,) = store.status(failed.at, {})["failures"]
    assert (row["type"], row["status"], row["route"]) == ("rate_limit", 429, "/users/{user_id}")
