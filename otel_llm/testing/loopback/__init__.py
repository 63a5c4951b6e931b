"""A server on 127.0.0.1 that speaks the wire formats of LLM providers, for the demo, the tests and the benchmarks.

    with Loopback() as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="test-key")
        client.chat.completions.create(model="gpt-4o-thinking", messages=[])
        server.requests[0].body

A plain answer says "Hello from the loopback server." in five pieces and reports 100 tokens in and 20 out; an embedding reports 8.
Words in the model's name, parted by ``-``, ``/``, ``:``, ``.``, ``@`` or ``_``, change the answer. They may be combined, and the
header ``x-loopback`` has the same effect where the model must keep its name. A request that turns thinking on is ``thinking``.

====================== ================================================================================================
the answer's shape
====================== ================================================================================================
``thinking``           64 thinking tokens on top: 84 out where output includes thinking, 20 and 64 where it does not
``cached``             of the 100 tokens in, 30 were read from the cache and 10 written to it: 6 for 5 minutes, 4 for 1 hour
``tools``              a call of the first tool offered, else of ``get_weather``; text once its result is in the conversation
``audio`` ``image``    of the tokens in 40 are audio, 25 are of an image; of the tokens out 15 are audio
``search``             2 web searches
``nousage``            no usage at all
``length`` ``filter``  the answer ends at its length limit, or in the provider's content filter
``refusal``            the model refuses
``failed``             a reply with status 200 that says that it failed (Responses, Replicate)
``fallback``           another model answers, in the provider's own way of saying so
``dated``              the answer names a dated snapshot of the model
``chunks-<n>``         the text comes in n pieces
``hold``               a Realtime response stops after its words, until it is cancelled or the user speaks
---------------------- ------------------------------------------------------------------------------------------------
faults
---------------------- ------------------------------------------------------------------------------------------------
``fail-<status>``      every request is refused with the status, in the provider's own error format
``fail-<status>-<n>``  the first n requests that name exactly this model are refused, the next ones are answered
``quota`` ``context``  with ``fail``: the code says that the quota is used up, that the context is too long, or that the
``filter``             content was filtered
``retry-after-<s>``    with ``fail``: come back after s seconds (1 if not given); else retriable refusals say: after 1 ms
``noretry``            with ``fail``: ``x-should-retry: false``
``slow-<ms>``          waits before the first byte; ``slow-gate`` until ``server.gate`` lets it pass
``trickle-<ms>``       waits between the events of a stream; ``trickle-gate`` at ``server.gate``
``cut-<k>``            closes the connection after k events of a stream
``hang`` ``drop``      never answers; closes the connection without an answer
``sse-error``          a stream ends in an error after three events, in the provider's own format
``malformed``          JSON that does not parse: the body, or a stream's second event
``empty``              an empty body, or a stream without events
====================== ================================================================================================

The path says which provider is asked: ``/v1/chat/completions``, ``/v1/responses`` and ``/v1/embeddings`` are OpenAI,
``/openai/deployments/...`` Azure, ``/openai/v1/...`` Groq, ``/api/v1/...`` OpenRouter, ``/v1/messages`` Anthropic. Providers that
share OpenAI's paths are recognized by the client's User-Agent, or by a first part of the path, which a base URL may add:
``server.url + "/deepseek/v1"``, also azure, cerebras, fireworks, groq, huggingface, mistral, openrouter, perplexity, together,
voyage, writer and xai. OpenAI's endpoints beside chat, responses and embeddings, the formats of other providers (Gemini, Bedrock,
Cohere, Ollama, ...) and WebSockets are in ``tests/support/wire_formats`` of the repository: importing that adds them.

``/v1/realtime`` and ``/v1/responses`` are WebSockets then, with the same switches; a Realtime session answers each piece of
audio as a turn of the user, until ``turn_detection`` is null. So does ``...BidiGenerateContent``, Gemini's Live, whose setup
names the model. Ids count the server's requests.

A test or the demo may answer by itself: ``server.script = lambda request: Reply(...)``, with ``answer(request)`` for the
usual reply, ``refuse(request, 429)`` for a refusal, and None for leaving it to the server.
"""

from __future__ import annotations

from .engine import answer, refuse, with_faults
from .exchange import Reply, Request, Timing
from .gate import Gate
from .server import Loopback

__all__ = ["Gate", "Loopback", "Reply", "Request", "Timing", "answer", "refuse", "with_faults"]
