# The collector's image has no shell and nothing to ask for its health with: this one has busybox beside it.
FROM otel/opentelemetry-collector:0.130.0 AS otelcol

FROM busybox:1.37.0
COPY --from=otelcol /otelcol /otelcol
USER 10001
ENTRYPOINT ["/otelcol"]
