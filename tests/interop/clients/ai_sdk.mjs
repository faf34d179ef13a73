// Tests the Vercel AI SDK with its OpenAI-compatible provider against Quire. Prints one line per check, in the form
// "check: result". The environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const made = (apiKey) => createOpenAICompatible({
  name: "quire", baseURL: process.env.QUIRE_URL + "/v1", apiKey, includeUsage: true,
});
const quire = made(process.env.QUIRE_KEY);
const tell = (check, seen) => console.log(`${check}: ${seen}`);
const asked = (model, more = {}) => ({
  model: quire(model), system: "Be brief.", prompt: "Is it thin?", maxRetries: 0, onError() {}, ...more,
});

async function refusal(act) {
  try {
    await act();
  } catch (error) {
    return `${error.name} ${error.statusCode} ${error.isRetryable ? "to be tried again" : "final"}`;
  }
  return "no refusal";
}

const whole = await generateText(asked("p/thin"));
tell("whole", `${whole.text} ${whole.finishReason} ${whole.usage.totalTokens}`);

const stream = streamText(asked("p/thin"));
let text = "";
for await (const piece of stream.textStream) text += piece;
tell("stream", `${text} ${await stream.finishReason} ${(await stream.usage).totalTokens}`);

tell("panel", (await generateText(asked("quire/gut"))).text.length > 5);
let panel = "";
for await (const piece of streamText(asked("quire/gut")).textStream) panel += piece;
tell("panel stream", panel.length > 5);

tell("unknown model", await refusal(() => generateText(asked("nobody/none"))));
const wrong = made("quire_wrong");
tell("wrong key", await refusal(() => generateText(asked("p/thin", { model: wrong("p/thin") }))));
tell("provider refuses", await refusal(() => generateText(asked("p/refused"))));
tell("provider busy", await refusal(() => generateText(asked("p/busy"))));
tell("provider down", await refusal(() => generateText(asked("p/down"))));

const ends = [];
for await (const part of streamText(asked("p/broken")).fullStream) ends.push(part.type);
tell("cut", ends.includes("error") ? "an error" : "a clean end");

const leaving = new AbortController();
for await (const part of streamText(asked("p/slow-ai", { abortSignal: leaving.signal })).fullStream) {
  if (part.type === "text-delta") leaving.abort();
}
tell("left", true);
