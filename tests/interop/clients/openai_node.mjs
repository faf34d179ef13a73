// Tests the openai SDK from npm against Quire. Prints one line per check, in the form "check: result". The
// environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
import OpenAI from "openai";

let sent = 0;
const counting = (...what) => {
  sent += 1;
  return fetch(...what);
};
const client = new OpenAI({
  baseURL: process.env.QUIRE_URL + "/v1", apiKey: process.env.QUIRE_KEY, maxRetries: 1, fetch: counting,
});
const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Is it thin?" }];
const tell = (check, seen) => console.log(`${check}: ${seen}`);
const chat = (model, more = {}, by = client) => by.chat.completions.create({ model, messages, ...more });

async function refusal(act) {
  const before = sent;
  try {
    await act();
  } catch (error) {
    return `${error.constructor.name} ${error.status} after ${sent - before}`;
  }
  return "no refusal";
}

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  return text;
}

const ids = [];
for await (const model of client.models.list()) ids.push(model.id);
tell("models", ids.includes("quire/critique"));

const whole = await chat("p/thin", { max_tokens: 50 });
const [choice] = whole.choices;
tell("whole", `${choice.message.content} ${choice.finish_reason} ${whole.usage.total_tokens}`);

const runner = client.chat.completions.stream({ model: "p/thin", messages, stream_options: { include_usage: true } });
const last = await runner.finalChatCompletion();
tell("stream", `${last.choices[0].message.content} ${last.usage.total_tokens}`);

tell("panel", (await chat("quire/gut")).choices[0].message.content.length > 5);
tell("panel stream", (await textOf(await chat("quire/gut", { stream: true }))).length > 5);

tell("unknown model", await refusal(() => chat("nobody/none")));
tell("wrong key", await refusal(() => chat("p/thin", {}, client.withOptions({ apiKey: "quire_wrong" }))));
tell("wrong field", await refusal(() => chat("p/thin", { n: 0 })));
tell("provider refuses", await refusal(() => chat("p/refused")));
tell("provider busy", await refusal(() => chat("p/busy")));
tell("provider down", await refusal(() => chat("p/down")));

try {
  await textOf(await chat("p/broken", { stream: true }));
  tell("cut", "a clean end");
} catch (error) {
  tell("cut", error.constructor.name);
}

const response = await client.responses.create({ model: "p/thin", input: "Is it thin?" });
tell("responses", `${response.output_text} ${response.status}`);

const slow = await chat("p/slow-node", { stream: true });
for await (const chunk of slow) if (chunk.choices[0].delta.content) break;
slow.controller.abort();
tell("left", true);
