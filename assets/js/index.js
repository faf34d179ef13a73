// The entry point under its stable URL: starts the application and exposes its components to scripts by name. The
// pages import them directly.
import "./start.js";

export const components = {
  PromptInput: () => import("./parts/prompt-input.js"),
  ModelSelector: () => import("./parts/model-selector.js"),
  AnalysisResults: () => import("./parts/results.js"),
  DocumentUpload: () => import("./parts/upload.js"),
};
