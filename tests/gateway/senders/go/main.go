// Calls of an OpenAI-compatible provider by hand, with spans by the conventions around them: what a Go service does.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type answer struct {
	Model string
	Usage struct {
		PromptTokens     int64 `json:"prompt_tokens"`
		CompletionTokens int64 `json:"completion_tokens"`
		Details          struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

func call(ctx context.Context, tracer trace.Tracer, model string) {
	ctx, span := tracer.Start(ctx, "chat "+model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", model)))
	defer span.End()
	body, _ := json.Marshal(map[string]any{"model": model, "messages": []any{map[string]string{"role": "user", "content": "?"}}})
	request, _ := http.NewRequestWithContext(ctx, "POST", os.Getenv("PROVIDER")+"/chat/completions", bytes.NewReader(body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		span.SetStatus(codes.Error, "refused")
		span.SetAttributes(attribute.String("error.type", fmt.Sprint(response.StatusCode)))
		return
	}
	var read answer
	if err := json.NewDecoder(response.Body).Decode(&read); err != nil {
		panic(err)
	}
	span.SetAttributes(attribute.String("gen_ai.response.model", read.Model),
		attribute.Int64("gen_ai.usage.input_tokens", read.Usage.PromptTokens),
		attribute.Int64("gen_ai.usage.output_tokens", read.Usage.CompletionTokens),
		attribute.Int64("gen_ai.usage.cache_read.input_tokens", read.Usage.Details.Cached))
}

func main() {
	ctx := context.Background()
	var exporter sdk.SpanExporter
	var err error
	if os.Getenv("OTLP_FORM") == "grpc" {
		exporter, err = otlptracegrpc.New(ctx, otlptracegrpc.WithInsecure())
	} else {
		exporter, err = otlptracehttp.New(ctx, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	if err != nil {
		panic(err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter))
	tracer := provider.Tracer("example.org/sender")
	for range 5 {
		call(ctx, tracer, "gpt-4o")
	}
	call(ctx, tracer, "gpt-4o-refused")
	if err := provider.Shutdown(ctx); err != nil {
		panic(err)
	}
}
