// Tests the AI SDK's generateObject over four transports, with a model and with a panel. Prints "check: yes" for each
// check that passes, and otherwise what it received. The environment variables QUIRE_URL (without a path) and
// QUIRE_KEY name the server and the key.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject } from "ai";
import { z } from "zod";

const baseURL = process.env.QUIRE_URL + "/v1";
const apiKey = process.env.QUIRE_KEY;
const openai = createOpenAI({ baseURL, apiKey });
const transports = {
  "openai chat": (model) => openai.chat(model),
  "openai responses": (model) => openai.responses(model),
  anthropic: createAnthropic({ baseURL, apiKey }),
  "openai-compatible": createOpenAICompatible({ name: "quire", baseURL, apiKey, supportsStructuredOutputs: true }),
};
const place = z.object({ name: z.string().min(1), level: z.enum(["cellar", "attic"]) });
const schema = z.object({
  ends: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  pages: z.number().int().min(1),
  thin: z.boolean(),
  places: z.array(place).min(1),
  note: z.union([z.string(), z.null()]),
});

for (const [name, model] of Object.entries(transports)) {
  for (const [kind, id] of [["model", "p/any"], ["panel", "quire/crew"]]) {
    let seen = "yes";
    try {
      const told = await generateObject({ model: model(id), schema, prompt: "When does the lease end?", maxRetries: 0 });
      schema.parse(told.object);
    } catch (error) {
      seen = `${error.name} ${error.statusCode ?? ""} ${error.message} ${error.text ?? ""}`.replaceAll("\n", " ").slice(0, 300);
    }
    console.log(`${name}, ${kind}: ${seen}`);
  }
}
