// The AWS SDK for JavaScript against the emulator, with its default handler: HTTP/2.
import {
  BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";

const { ROOT, COLD, THROTTLED, MODEL } = process.env;
const TOKENS = 20;
const SAY = [{ role: "user", content: [{ text: "one two" }] }];
const COUNT = "please count upwards";
const client = (endpoint) => new BedrockRuntimeClient({ endpoint, region: "us-east-1" });
const runtime = client(ROOT);
const decoder = new TextDecoder();

function check(true_, what) {
  if (!true_) throw new Error(what);
}

async function tried(operation, call) {
  let problem = null;
  try {
    await call();
  } catch (error) {
    problem = String(error).slice(0, 500);
  }
  console.log(JSON.stringify({ operation, ok: problem === null, problem }));
}

async function raises(call, name) {
  try {
    await call();
  } catch (error) {
    check(error.name === name, String(error));
    return error;
  }
  throw new Error("no error");
}

async function spaced(events, least) {
  const found = [], times = [];
  for await (const event of events) {
    found.push(event);
    times.push(performance.now());
  }
  check(found.length >= least, `${found.length} events`);
  check(times.at(-1) - times[0] >= 10, "all events at once");
  return found;
}

const body = (value) => JSON.stringify(value);
const invoke = async (at, value) => {
  const answer = await at.send(new InvokeModelCommand({ modelId: MODEL, body: body(value) }));
  return JSON.parse(decoder.decode(answer.body));
};
const streamed = (value) => new InvokeModelWithResponseStreamCommand({ modelId: MODEL, body: body(value) });

await tried("InvokeModel", async () => {
  check((await invoke(runtime, { prompt: "x", max_gen_len: 3 })).generation.trim(), "no text");
  const chat = await invoke(runtime, { messages: [{ role: "user", content: "x" }], max_completion_tokens: 3 });
  check(chat.choices[0].message.content.trim(), "no text");
});
await tried("InvokeModel stream", async () => {
  const answer = await runtime.send(streamed({ prompt: "x", max_gen_len: TOKENS, ignore_eos: true }));
  await spaced(answer.body, TOKENS);
});
await tried("Converse", async () => {
  const ask = { modelId: MODEL, messages: SAY, inferenceConfig: { maxTokens: 3 } };
  const answer = await runtime.send(new ConverseCommand(ask));
  check(answer.output.message.content[0].text.trim(), "no text");
});
await tried("Converse stream", async () => {
  const ask = { modelId: MODEL, messages: SAY, inferenceConfig: { maxTokens: TOKENS } };
  const events = await spaced((await runtime.send(new ConverseStreamCommand(ask))).stream, 5);
  check(events.at(-1).metadata, "no metadata");
});
await tried("tools", async () => {
  const schema = { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } };
  const tools = [{ toolSpec: { name: "weather", inputSchema: { json: schema } } }];
  const ask = { modelId: MODEL, messages: SAY, toolConfig: { tools, toolChoice: { any: {} } } };
  const answer = await runtime.send(new ConverseCommand(ask));
  check(answer.stopReason === "tool_use" && answer.output.message.content[0].toolUse.input.days === 1, "no call");
});
await tried("stop", async () => {
  check((await invoke(runtime, { prompt: COUNT, max_gen_len: 50, stop: ["4"] })).generation === "1 2 3 ", "it went on");
});
await tried("error", () => raises(() => invoke(runtime, { prompt: "x", temperature: 3 }), "ValidationException"));
await tried("retry: not ready", () => invoke(client(COLD), { prompt: "x", max_gen_len: 1 }));
await tried("retry: throttled", async () => {
  const error = await raises(() => invoke(client(THROTTLED), { prompt: "x" }), "ThrottlingException");
  check(error.$metadata.attempts > 1, "not tried again");
});
await tried("many streams at once", async () => {
  const all = await Promise.all([...Array(10).keys()].map(async (n) => {
    let chunks = 0;
    const answer = await runtime.send(streamed({ prompt: "x".repeat(5000 * n + 1), max_gen_len: 15, ignore_eos: true }));
    for await (const _ of answer.body) chunks += 1;
    return chunks;
  }));
  check(all.every((chunks) => chunks === 16), all.join());
});
await tried("a stream that is left", async () => {
  const answer = await runtime.send(streamed({ prompt: "x", max_gen_len: 10000, ignore_eos: true }));
  for await (const _ of answer.body) break;
  check((await invoke(runtime, { prompt: "x", max_gen_len: 1 })).generation, "no text");
});
process.exit(0);
