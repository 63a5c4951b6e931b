// An agent of the AI SDK that calls a tool between two calls of the model, a stream, and a call that is refused each time.
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");

const sdk = new NodeSDK({ traceExporter: new OTLPTraceExporter() });
sdk.start();
const { generateText, streamText, tool, stepCountIs } = require("ai");
const { createOpenAI } = require("@ai-sdk/openai");
const { z } = require("zod");

async function main() {
  const provider = createOpenAI({ baseURL: process.env.PROVIDER, apiKey: "test-key" });
  const experimental_telemetry = { isEnabled: true, functionId: "weather" };
  const tools = { get_weather: tool({ description: "weather", inputSchema: z.object({}), execute: async () => "mild" }) };
  const model = provider.chat("gpt-4o");
  await generateText({ model, prompt: "How is the weather?", stopWhen: stepCountIs(3), tools, experimental_telemetry });
  const answer = streamText({ model, prompt: "How is the weather?", experimental_telemetry });
  for await (const _ of answer.textStream);
  const refused = { model: provider.chat("gpt-4o-refused"), prompt: "x", maxRetries: 1, experimental_telemetry };
  await generateText(refused).catch(() => {});
  await sdk.shutdown();
}
main();
