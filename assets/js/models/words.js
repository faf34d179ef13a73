// Display names of provider and model states.

/** Provider states, as `[words, look]`. */
export const PROVIDER_STATES = {
  ready: ["ready", "good"],
  unknown: ["not checked yet", "soft"],
  needs_key: ["needs a key", "warn"],
  unavailable: ["not reachable", "bad"],
  throttled: ["rate limited", "warn"],
  circuit_open: ["paused after failures", "bad"],
};

/** Model states, as `[words, look]`. */
export const MODEL_STATES = {
  ready: "ready", needs_key: "needs a key", throttled: "rate limited", unavailable: "not reachable", circuit_open: "paused after failures",
};

/** Local model servers: name, port, and start command. */
export const LOCAL_SERVERS = [
  ["Ollama", 11434, "ollama serve"],
  ["llama.cpp", 8080, "llama-server -m model.gguf"],
  ["LM Studio", 1234, "the Developer tab, Start server"],
  ["vLLM", 8000, "vllm serve NAME"],
];
