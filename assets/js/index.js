// The entry under its stable address: starts the application, and names its components for scripts. The pages import
// them directly.
import "./start.js";

export const components = {
  PromptInput: () => import("./parts/prompt-input.js"),
  ModelSelector: () => import("./parts/model-selector.js"),
  AnalysisResults: () => import("./parts/results.js"),
  DocumentUpload: () => import("./parts/upload.js"),
};
