"""Runs four coding agents against Quire over a scripted upstream: each must write a file and end by itself, with a
single model and with a panel. Usage: agents.py QUIRE FOLDER [AGENT …]. Prints a row for each session, and fails if a
session does not leave the file. `make agents` installs the agents and runs this."""

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

QUIRE, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
WANTED = sys.argv[3:]
TEXT = "It is thin."
TASK = f"Write a file hello.txt that contains exactly: {TEXT}"


def call_for(tools, folder):
    """Returns the call that writes the file, with whichever tool the agent offers."""
    path = str(Path(folder) / "hello.txt")
    shell = f"printf '%s\\n' '{TEXT}' > {path}"
    for name, arguments in (
        ("Write", {"file_path": path, "content": TEXT + "\n"}),
        ("write", {"filePath": path, "content": TEXT + "\n"}),
        ("exec_command", {"cmd": shell}),
        ("shell_command", {"command": shell}),
        ("shell", {"command": ["sh", "-c", shell]}),
        ("Bash", {"command": shell, "description": "Write the file"}),
    ):
        if name in tools:
            return name, arguments
    return None


class Upstream(http.server.BaseHTTPRequestHandler):
    """An OpenAI-compatible provider: calls the tool once and then ends; without tools, it answers with the file."""

    protocol_version = "HTTP/1.0"
    folder = None
    asked = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply("application/json", json.dumps({"object": "list", "data": []}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Upstream.asked.append(body)
        tools = {tool["function"]["name"] for tool in body.get("tools") or []}
        is_done = any(message["role"] == "tool" for message in body["messages"])
        call = None if is_done else call_for(tools, Upstream.folder)
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            delta, finish = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}, "tool_calls"
        else:
            said = "Done." if is_done else f"hello.txt\n```\n{TEXT}\n```\n"
            delta, finish = {"content": said}, "stop"
        chunks = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}},
        ]
        self.reply("text/event-stream", "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n")

    def reply(self, kind, text):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(text.encode())


def post(base, path, body, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request))


def claude_code(base, key, model):
    settings = {
        "ANTHROPIC_BASE_URL": base, "ANTHROPIC_AUTH_TOKEN": key, "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "p/small", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    program = FOLDER / "npm/node_modules/.bin/claude"
    return [program, "-p", TASK, "--allowedTools", "Write", "--permission-mode", "acceptEdits"], settings, {}


def codex(base, key, model):
    config = f'''
model = "{model}"
model_provider = "quire"
[model_providers.quire]
name = "Quire"
base_url = "{base}/v1"
env_key = "QUIRE_KEY"
wire_api = "responses"
'''
    program = FOLDER / "npm/node_modules/.bin/codex"
    line = [program, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK]
    return line, {"QUIRE_KEY": key}, {".codex/config.toml": config}


def opencode(base, key, model):
    config = {
        "provider": {"q": {
            "npm": "@ai-sdk/openai-compatible", "name": "Quire",
            "options": {"baseURL": f"{base}/v1", "apiKey": key}, "models": {model: {"name": model}},
        }},
        "model": f"q/{model}", "small_model": f"q/{model}", "autoupdate": False, "share": "disabled",
    }
    program = FOLDER / "npm/node_modules/.bin/opencode"
    return [program, "run", "-m", f"q/{model}", TASK], {"OPENCODE_DISABLE_AUTOUPDATE": "1"}, {
        ".config/opencode/opencode.json": json.dumps(config)
    }


def aider(base, key, model):
    program = FOLDER / "venv/bin/aider"
    line = [
        program, "--model", f"openai/{model}", "--openai-api-base", f"{base}/v1", "--openai-api-key", key,
        "--edit-format", "whole", "--yes-always", "--no-git", "--no-check-update", "--no-analytics",
        "--no-show-model-warnings", "--no-show-release-notes", "--no-gitignore", "--message", TASK, "hello.txt",
    ]
    return line, {}, {}


AGENTS = {
    "Claude Code": (claude_code, "npm/node_modules/@anthropic-ai/claude-code/package.json"),
    "Codex CLI": (codex, "npm/node_modules/@openai/codex/package.json"),
    "opencode": (opencode, "npm/node_modules/opencode-ai/package.json"),
    "aider": (aider, None),
}


def version_of(place):
    if place:
        return json.loads((FOLDER / place).read_text())["version"]
    said = subprocess.run([FOLDER / "venv/bin/aider", "--version"], capture_output=True, text=True)
    return said.stdout.split()[-1]


def session(agent, base, key, model):
    """Runs an agent in an empty home and an empty folder. Returns what went wrong, or an empty value."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        Upstream.folder = folder
        line, settings, files = agent(base, key, model)
        for name, text in files.items():
            path = Path(home) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        settings |= {"HOME": home, "PATH": os.environ["PATH"], "TERM": "dumb", "NO_COLOR": "1", "CI": "1"}
        try:
            ran = subprocess.run(line, cwd=folder, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            return "it did not end within 300 s"
        path = Path(folder) / "hello.txt"
        said = (ran.stdout + ran.stderr)[-1500:]
        if ran.returncode != 0:
            return f"it ended with {ran.returncode}: {said}"
        if not path.exists() or path.read_text().strip() != TEXT:
            return f"it did not write the file: {said}"
        return ""


def main():
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    providers = [{"id": "p", "base_url": f"http://127.0.0.1:{upstream.server_port}/v1", "api_key": "sk-test", "models": "*"}]
    with tempfile.TemporaryDirectory() as data:
        log = open(Path(data) / "log", "w")
        quire = subprocess.Popen(
            [QUIRE, "serve"], stdout=log, stderr=log,
            env={
                "QUIRE_DATA": f"{data}/quire", "PORT": "0", "HOST": "127.0.0.1", "ENVIRONMENT": "test",
                "PASSWORD_ROUNDS": "1000", "RATE_LIMIT": "100000", "CACHE_TTL": "0", "DISCOVER_LOCAL": "false",
                "QUIRE_PROVIDERS": json.dumps(providers),
            },
        )
        try:
            return sessions(Path(data) / "log")
        finally:
            quire.terminate()
            quire.wait()


def sessions(log):
    base = None
    for _ in range(300):
        base = next((word for word in log.read_text().split() if word.startswith("http://127.")), None)
        if base:
            break
        time.sleep(0.1)
    base = base.rstrip("/.,")
    who = {"email": "agents@example.org", "password": "Correct horse battery 9"}
    post(base, "/api/auth/register", who)
    told = post(base, "/api/auth/login", who)
    token = told.get("access_token") or told["tokens"]["access_token"]
    key = post(base, "/api/users/me/api-keys", {"name": "agents"}, token)["key"]
    post(base, "/api/recipes", {"name": "crew", "pattern": "gut", "models": ["p/one", "p/two"], "ultra_model": "p/writer"}, token)
    failed = False
    print("| agent | version | a single model | a panel |\n|---|---|---|---|")
    for name, (agent, place) in AGENTS.items():
        if WANTED and name.split()[0].lower() not in WANTED:
            continue
        faults = [session(agent, base, key, model) for model in ("p/any", "quire/crew")]
        cells = ["yes" if not fault else "no" for fault in faults]
        print(f"| {name} | {version_of(place)} | {cells[0]} | {cells[1]} |", flush=True)
        for fault in filter(None, faults):
            failed = True
            print(f"{name}: {fault}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
