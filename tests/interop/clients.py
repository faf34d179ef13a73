"""Tests third-party clients against a running Quire: `make interop`. Prints a row for each check, and fails if one
does not get the expected result. Usage: clients.py BASE_URL"""

import asyncio
import json
import sys
import urllib.request

BASE = sys.argv[1].rstrip("/")


def post(path, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request))


WHO = {"email": "clients@example.org", "password": "Correct horse battery 9"}
post("/api/auth/register", WHO)
TOKENS = post("/api/auth/login", WHO)
TOKEN = TOKENS.get("access_token") or TOKENS["tokens"]["access_token"]
KEY = post("/api/users/me/api-keys", {"name": "clients"}, TOKEN)["key"]
MODEL, PANEL = "demo/extract", "quire/gut"
ASK = [{"role": "user", "content": "The lease ends in 2031. When does the lease end?"}]
ROWS = []


def row(client, version):
    def decorate(check):
        try:
            check()
            ROWS.append((client, version, check.__name__.replace("_", " "), "ok"))
        except Exception as fault:  # noqa: BLE001 - every client has its own kinds
            ROWS.append((client, version, check.__name__.replace("_", " "), f"FAILED: {type(fault).__name__}: {fault}"[:160]))
        return check

    return decorate


def with_openai():
    import openai

    version = openai.__version__
    client = openai.OpenAI(base_url=BASE + "/v1", api_key=KEY, max_retries=0)

    @row("openai (Python)", version)
    def models():
        ids = [model.id for model in client.models.list()]
        assert MODEL in ids and PANEL in ids, ids
        assert client.models.retrieve(PANEL).owned_by == "quire"

    @row("openai (Python)", version)
    def chat():
        for model in (MODEL, PANEL):
            told = client.chat.completions.create(model=model, messages=ASK)
            assert told.choices[0].message.content and told.choices[0].finish_reason == "stop"
            assert told.usage.total_tokens > 0

    @row("openai (Python)", version)
    def chat_streamed():
        for model in (MODEL, PANEL):
            text, usage = "", None
            for chunk in client.chat.completions.create(
                model=model, messages=ASK, stream=True, stream_options={"include_usage": True}
            ):
                usage = chunk.usage or usage
                if chunk.choices:
                    text += chunk.choices[0].delta.content or ""
            assert text and usage.total_tokens > 0

    @row("openai (Python)", version)
    def chat_streamed_with_the_helper():
        with client.chat.completions.stream(model=MODEL, messages=ASK) as stream:
            for _ in stream:
                pass
            assert stream.get_final_completion().choices[0].message.content

    @row("openai (Python)", version)
    def responses():
        told = client.responses.create(model=PANEL, input="The lease ends in 2031. When?", instructions="Be brief.")
        assert told.output_text and told.status == "completed"
        last = None
        text = ""
        for event in client.responses.create(model=MODEL, input="The lease ends in 2031. When?", stream=True):
            last = event
            if event.type == "response.output_text.delta":
                text += event.delta
        assert last.type == "response.completed" and last.response.output_text == text

    @row("openai (Python)", version)
    def errors():
        for wrong, kind in (
            (dict(model="nobody/x", messages=ASK), openai.NotFoundError),
            (dict(model=MODEL, messages=[]), openai.BadRequestError),
        ):
            try:
                client.chat.completions.create(**wrong)
            except kind as fault:
                assert fault.request_id
            else:
                raise AssertionError(f"no {kind.__name__}")
        try:
            openai.OpenAI(base_url=BASE + "/v1", api_key="quire_wrong", max_retries=0).models.list()
        except openai.AuthenticationError:
            pass
        else:
            raise AssertionError("a wrong key came in")

    @row("openai (Python)", version)
    def cancelled():
        stream = client.chat.completions.create(model=PANEL, messages=ASK, stream=True)
        next(iter(stream))
        stream.close()
        assert client.models.list()

    @row("openai (Python)", version)
    def asynchronous():
        async def ask():
            async with openai.AsyncOpenAI(base_url=BASE + "/v1", api_key=KEY) as other:
                return await other.chat.completions.create(model=MODEL, messages=ASK)

        assert asyncio.run(ask()).choices[0].message.content


def with_anthropic():
    import anthropic

    version = anthropic.__version__
    client = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0)

    @row("anthropic (Python)", version)
    def messages():
        for model in (MODEL, PANEL):
            told = client.messages.create(model=model, max_tokens=500, messages=ASK, system="Be brief.")
            assert told.content[0].text and told.stop_reason in ("end_turn", "max_tokens")

    @row("anthropic (Python)", version)
    def messages_streamed():
        for model in (MODEL, PANEL):
            with client.messages.stream(model=model, max_tokens=500, messages=ASK) as stream:
                text = "".join(stream.text_stream)
                assert text == stream.get_final_message().content[0].text

    @row("anthropic (Python)", version)
    def tokens():
        assert client.messages.count_tokens(model=MODEL, messages=ASK).input_tokens > 5

    @row("anthropic (Python)", version)
    def errors():
        try:
            client.messages.create(model="nobody/x", max_tokens=5, messages=ASK)
        except anthropic.NotFoundError as fault:
            assert "nobody/x" in str(fault)
        else:
            raise AssertionError("a model that is not there answered")


def with_langchain():
    from importlib.metadata import version

    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=PANEL, base_url=BASE + "/v1", api_key=KEY, max_retries=0)

    @row("langchain-openai", version("langchain-openai"))
    def invoke():
        assert model.invoke("The lease ends in 2031. When?").content

    @row("langchain-openai", version("langchain-openai"))
    def stream():
        assert "".join(chunk.content for chunk in model.stream("The lease ends in 2031. When?"))


for client in (with_openai, with_anthropic, with_langchain):
    try:
        client()
    except ImportError as fault:
        ROWS.append((client.__name__, "", "", f"not installed: {fault}"))
print("| client | version | what | result |\n|---|---|---|---|")
for cells in ROWS:
    print("| " + " | ".join(cells) + " |")
sys.exit(any(cells[3].startswith("FAILED") for cells in ROWS))
