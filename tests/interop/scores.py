"""Runs third-party test suites and clients that score a server against Quire, over a scripted upstream. Prints each
score, and fails if one is lower than the minimum given here. Usage: scores.py QUIRE FOLDER [NAME …]; `make interop`
installs them under FOLDER and runs this."""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent / "clients"
TEXT, DAY = "It is thin.", "2031-05-01"
# llm-comply skips its reasoning tests unless the model's name indicates a reasoning model.
REASONS = {"open-responses": "gpt-5", "openai-chat": "gpt-5", "anthropic": "claude-haiku-4"}
MODELS = ["any", "one", "two", "writer", "gpt-5", "claude-haiku-4"]


def sample(schema, root=None):
    """Returns a value that satisfies a schema with the keywords that pydantic and zod use. Every string is a date."""
    root = root or schema
    if "$ref" in schema:
        part = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            part = part[step]
        return sample(part, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return sample(schema[choice][0], root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {"type": "string"}), root)] * max(1, schema.get("minItems", 1))
    return {"string": DAY, "integer": 3, "number": 0.5, "boolean": True, "null": None}[kind]


class Upstream(http.server.BaseHTTPRequestHandler):
    """An OpenAI-compatible provider: calls the offered tool, fills the requested schema, or answers with TEXT."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply("application/json", json.dumps({"object": "list", "data": []}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message, finish = answer(body)
        whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": body["model"]}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
            return self.reply("application/json", json.dumps(whole | {"choices": [choice], "usage": usage}))
        for call in message.get("tool_calls", []):
            call["index"] = 0
        whole["object"] = "chat.completion.chunk"
        chunks = [
            whole | {"choices": [{"index": 0, "delta": {"role": "assistant"} | message, "finish_reason": None}]},
            whole | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            whole | {"choices": [], "usage": usage},
        ]
        self.reply("text/event-stream", "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n")

    def reply(self, kind, text):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(text.encode())


def answer(body):
    """Returns the message for a request, and the finish reason."""
    tools = body.get("tools")
    if tools and body.get("tool_choice") != "none" and not any(one["role"] == "tool" for one in body["messages"]):
        tool = tools[0]["function"]
        function = {"name": tool["name"], "arguments": json.dumps(sample(tool["parameters"]))}
        return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}, "tool_calls"
    schema = (body.get("response_format") or {}).get("json_schema")
    return {"content": json.dumps(sample(schema["schema"])) if schema else TEXT}, "stop"


def run(line, settings):
    ran = subprocess.run(line, capture_output=True, text=True, timeout=300, env=settings | {"PATH": os.environ["PATH"]})
    return ran.stdout, ran.stderr


def comply(kind):
    """Runs llm-comply. Returns the tests that pass, and the others with their reasons."""

    def score(folder, base, key):
        line = [folder / "venv/bin/llm-comply", "run", "-u", f"{base}/v1", "-k", key, "-m", f"p/{REASONS[kind]}", "--format", kind, "--json"]
        if kind == "anthropic":
            line += ["--auth-header", "x-api-key", "--no-bearer", "-H", "anthropic-version:2023-06-01"]
        said, complaint = run(line, {})
        try:
            told = json.loads(said)
        except ValueError:
            return 0, said + complaint
        results = told["results"] if isinstance(told, dict) else told
        passed = sum(one["status"] == "passed" for one in results)
        notes = [f"{one['id']}: {one.get('errors') or one.get('warnings')}" for one in results if one.get("errors") or one.get("warnings")]
        return passed, "\n".join(notes)

    return score


def canary(folder, base, key):
    """Runs CompatCanary. Returns its score, of at most 100."""
    line = [folder / "node/node_modules/.bin/compatcanary", "scan", "--base-url", f"{base}/v1", "--model", "p/any"]
    said, complaint = run([*line, "--profile", "modern", "--format", "json"], {"OPENAI_API_KEY": key})
    try:
        told = json.loads(said)
    except ValueError:
        return 0, said + complaint
    return told["score"], "\n".join(f"{one['id']}: {one['summary']}" for one in told["results"] if one["status"] != "pass")


def script(name):
    """Runs one of our client scripts, which prints `check: yes` or what it received. Returns the checks that pass."""

    def score(folder, base, key):
        source = HERE / name
        if source.suffix == ".mjs":
            # Modules are resolved relative to the script.
            beside = folder / "node" / name
            beside.write_text(source.read_text())
            line = ["node", beside]
        else:
            line = [folder / "venv/bin/python", source]
        said, complaint = run(line, {"QUIRE_URL": base, "QUIRE_KEY": key, "HOME": str(folder)})
        rows = [row for row in said.splitlines() if ": " in row]
        faults = [row for row in rows if not row.endswith(": yes")]
        return len(rows) - len(faults), "\n".join(faults) + ("" if rows else complaint)

    return score


# Name, scoring function, minimum score, and maximum score.
SCORES = {
    "llm-comply open-responses": (comply("open-responses"), 13, 13),
    "llm-comply openai-chat": (comply("openai-chat"), 9, 9),
    "llm-comply anthropic": (comply("anthropic"), 9, 9),
    "compatcanary modern": (canary, 100, 100),
    "generateObject": (script("generate_object.mjs"), 8, 8),
    "litellm": (script("litellm_python.py"), 10, 10),
    "langchain-anthropic": (script("langchain_anthropic_chat.py"), 8, 8),
}


def post(base, path, body, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request))


def key_of(base):
    """Creates an account with a panel, `quire/crew`, and returns an API key for it."""
    who = {"email": "scores@example.org", "password": "Correct horse battery 9"}
    post(base, "/api/auth/register", who)
    told = post(base, "/api/auth/login", who)
    token = told.get("access_token") or told["tokens"]["access_token"]
    post(base, "/api/recipes", {"name": "crew", "pattern": "gut", "models": ["p/one", "p/two"], "ultra_model": "p/writer"}, token)
    return post(base, "/api/users/me/api-keys", {"name": "scores"}, token)["key"]


def address_in(log):
    for _ in range(300):
        found = next((word for word in log.read_text().split() if word.startswith("http://127.")), None)
        if found:
            return found.rstrip("/.,")
        time.sleep(0.1)
    raise SystemExit(f"Quire does not start: {log.read_text()}")


def main():
    quire, folder, wanted = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3:]
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    provider = {"id": "p", "base_url": f"http://127.0.0.1:{upstream.server_port}/v1", "api_key": "sk-test", "models": MODELS}
    failed = False
    with tempfile.TemporaryDirectory() as data:
        log = Path(data) / "log"
        settings = {
            "QUIRE_DATA": f"{data}/quire", "PORT": "0", "HOST": "127.0.0.1", "ENVIRONMENT": "test",
            "PASSWORD_ROUNDS": "1000", "RATE_LIMIT": "100000", "CACHE_TTL": "0", "DISCOVER_LOCAL": "false",
            "QUIRE_PROVIDERS": json.dumps([provider]),
        }
        with log.open("w") as out:
            server = subprocess.Popen([quire, "serve"], stdout=out, stderr=out, env=settings)
        try:
            base = address_in(log)
            key = key_of(base)
            print("| suite | score | at least |\n|---|---|---|")
            for name, (score, least, most) in SCORES.items():
                if wanted and not any(word in name for word in wanted):
                    continue
                got, faults = score(folder, base, key)
                print(f"| {name} | {got} of {most} | {least} |", flush=True)
                if faults or got < least:
                    print(f"{name}: {faults}", file=sys.stderr, flush=True)
                failed |= got < least
        finally:
            server.terminate()
            server.wait()
    return failed


if __name__ == "__main__":
    sys.exit(main())
