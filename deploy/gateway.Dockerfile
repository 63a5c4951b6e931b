# The gateway for services in other languages; its state is in /var/lib/otel-llm.
FROM python:3.13.5-slim-bookworm AS wheel
RUN pip install --no-cache-dir build==1.2.2
WORKDIR /src
COPY . .
RUN python -m build --wheel --outdir /dist

FROM python:3.13.5-slim-bookworm
COPY --from=wheel /dist /dist
RUN pip install --no-cache-dir "$(ls /dist/*.whl)[gateway]" \
    && useradd --create-home --uid 1000 gateway \
    && install -d -o gateway -g gateway -m 700 /var/lib/otel-llm
USER gateway
ENV PYTHONUNBUFFERED=1 OTEL_LLM_STATE_DIR=/var/lib/otel-llm OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0
EXPOSE 4317 4318 9464
ENTRYPOINT ["otel-llm"]
CMD ["gateway", "--http", ":4318", "--grpc", ":4317"]
