// Names of the states of providers and models.

/** A provider's state: `[words, look]`. */
export const PROVIDER = {
  ready: ["ready", "good"],
  unknown: ["not asked yet", "soft"],
  needs_key: ["needs a key", "warn"],
  unavailable: ["not reachable", "bad"],
  throttled: ["asks us to wait", "warn"],
  circuit_open: ["left alone after failures", "bad"],
};

/** A model's state. */
export const MODEL = {
  ready: "ready", needs_key: "needs a key", throttled: "asks us to wait", unavailable: "not reachable", circuit_open: "left alone after failures",
};

/** Local model servers: name, port, start command. */
export const LOCAL = [
  ["Ollama", 11434, "ollama serve"],
  ["llama.cpp", 8080, "llama-server -m model.gguf"],
  ["LM Studio", 1234, "the Developer tab, Start server"],
  ["vLLM", 8000, "vllm serve NAME"],
];
