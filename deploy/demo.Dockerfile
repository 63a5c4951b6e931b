# The demo of this repository: the service, its providers and /metrics in one container, no key, no network.
FROM python:3.13.5-slim-bookworm AS wheel
RUN pip install --no-cache-dir build==1.2.2
WORKDIR /src
COPY . .
RUN python -m build --wheel --outdir /dist

FROM python:3.13.5-slim-bookworm
COPY --from=wheel /dist /dist
RUN pip install --no-cache-dir "$(ls /dist/*.whl)[cli,otlp]" "openai>=2,<4" "anthropic>=0.60,<3" \
    && useradd --create-home demo
USER demo
ENV PYTHONUNBUFFERED=1
EXPOSE 9464
ENTRYPOINT ["otel-llm"]
CMD ["demo", "--headless", "--host", "0.0.0.0"]
