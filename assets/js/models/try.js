// Tests one model: a short prompt, the streamed answer, and the speed as measured in this browser.
import { call } from "../api.js";
import { announce, button, el, fill } from "../dom.js";
import { count, duration, plural } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { markdown } from "../parts/markdown.js";
import { Alert } from "../parts/states.js";

const PROMPT = "Explain in three sentences why the sky is blue.";
const MAX_TOKENS = 400;

/** Opens the dialog. Closing it cancels the request. */
export async function tryModel(model) {
  const controller = new AbortController();
  const prompt = Field("Prompt", { rows: 2, value: PROMPT, maxLength: 2000 });
  const answer = el("div", { class: "try-answer prose", dir: "auto" });
  const facts = el("dl", { class: "facts try-facts" });
  const problem = el("div", { class: "step-message" });
  const send = button("Send", { type: "submit", class: "primary" });
  const form = el("form", { class: "try-form", on: { submit } }, prompt.node,
    el("div", { class: "actions" }, send, el("span", { class: "fine" }, model.mock || model.price === null ? "" : `At most ${MAX_TOKENS} output tokens.`)),
    problem, answer, facts);

  async function submit(event) {
    event.preventDefault();
    fill(problem);
    fill(answer);
    fill(facts);
    send.disabled = true;
    try {
      const result = await ask(model.id, prompt.input.value.trim(), controller.signal, (piece) => answer.append(piece));
      fill(answer, markdown(result.text));
      fill(facts, Fact("First words", duration(result.first)), Fact("Total time", duration(result.whole)),
        result.tokens > 0 && Fact("Output", plural(result.tokens, "token")),
        result.rate && Fact("Speed", `${count(Math.round(result.rate))} tokens per second`));
      announce(`Answered after ${duration(result.whole)}.`);
    } catch (error) {
      if (!controller.signal.aborted) fill(problem, Alert(error));
    } finally {
      send.disabled = false;
    }
  }

  await openDialog(`Try ${model.name || model.id}`, form, { kind: "wide" });
  controller.abort();
}

async function ask(model, prompt, signal, onPiece) {
  const began = performance.now();
  const response = await call("POST", "/v1/chat/completions", {
    body: { model, stream: true, stream_options: { include_usage: true }, max_tokens: MAX_TOKENS, messages: [{ role: "user", content: prompt }] },
    accept: "text/event-stream", raw: true, signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let firstToken = null;
  let text = "";
  let tokens = 0;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    rest += value;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const chunk = JSON.parse(line.slice(6));
      if (chunk.error) throw new Error(chunk.error.message);
      const piece = chunk.choices?.[0]?.delta?.content;
      if (piece) {
        text += piece;
        firstToken ??= performance.now() - began;
        onPiece(piece);
      }
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
  }
  if (firstToken === null) throw new Error("the model returned no text");
  const total = performance.now() - began;
  // An answer that arrives in one chunk has no measurable speed.
  const writing = total - firstToken;
  return { text, first: firstToken, whole: total, tokens, rate: tokens > 1 && writing > 50 ? (tokens * 1000) / writing : null };
}

function Fact(name, value) {
  return el("div", null, el("dt", null, name), el("dd", null, value));
}
