// Five calls, a stream, an embedding and a refusal of the openai package under OpenTelemetry's instrumentation.
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${process.env.OTLP_FORM}`);
const { OpenAIInstrumentation } = require("@opentelemetry/instrumentation-openai");

const sdk = new NodeSDK({ traceExporter: new OTLPTraceExporter(), instrumentations: [new OpenAIInstrumentation()] });
sdk.start();
const OpenAI = require("openai").OpenAI;

async function main() {
  const client = new OpenAI({ baseURL: process.env.PROVIDER, apiKey: "test-key", maxRetries: 0 });
  const messages = [{ role: "user", content: "How is the weather?" }];
  for (let number = 0; number < 5; number++) await client.chat.completions.create({ model: "gpt-4o", messages });
  const stream = await client.chat.completions.create({
    model: "gpt-4o", messages, stream: true, stream_options: { include_usage: true },
  });
  for await (const _ of stream);
  await client.embeddings.create({ model: "text-embedding-3-small", input: "weather" });
  await client.chat.completions.create({ model: "gpt-4o-refused", messages }).catch(() => {});
  await sdk.shutdown();
}
main();
