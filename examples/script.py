"""A script: run it as it is under ``opentelemetry-instrument python examples/script.py``, with OPENAI_API_KEY set."""

import openai

client = openai.OpenAI()
reply = client.chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello in one word."}]
)
print(reply.choices[0].message.content)

stream = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Count to five."}],
    stream=True,
    # without it OpenAI reports no usage for streams, and the call is "usage unknown"
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
print()
