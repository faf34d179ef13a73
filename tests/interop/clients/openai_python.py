"""Tests the openai SDK from PyPI against Quire. Prints one line per check, in the form "check: result".

The environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
"""

import os
import openai
import pydantic

sent = []
http = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request.url.path)]})
URL, KEY = os.environ["QUIRE_URL"] + "/v1", os.environ["QUIRE_KEY"]
client = openai.OpenAI(base_url=URL, api_key=KEY, http_client=http, max_retries=1)
asks = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it thin?"}]


def tell(check, seen):
    print(f"{check}: {'true' if seen is True else seen}", flush=True)


def refusal(act, client=client):
    """Returns the class and status of the error that an action raises, and how often the request was sent."""
    before = len(sent)
    try:
        act(client)
    except openai.APIStatusError as error:
        return f"{type(error).__name__} {error.status_code} after {len(sent) - before}"
    return "no refusal"


def chat(model, client=client, **more):
    return client.chat.completions.create(model=model, messages=asks, **more)


def text_of(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


ids = [model.id for model in client.models.list()]
tell("models", "quire/critique" in ids and client.models.retrieve("quire/critique").owned_by == "quire")

whole = chat("p/thin", max_completion_tokens=50)
choice = whole.choices[0]
tell("whole", f"{choice.message.content} {choice.finish_reason} {whole.usage.total_tokens}")

chunks = list(chat("p/thin", stream=True, stream_options={"include_usage": True}))
tell("stream", f"{text_of(chunks)} {chunks[-1].usage.total_tokens}")

tell("panel", len(chat("quire/gut").choices[0].message.content) > 5)
tell("panel stream", len(text_of(chat("quire/gut", stream=True))) > 5)

tell("unknown model", refusal(lambda c: chat("nobody/none", c)))
tell("wrong key", refusal(lambda c: chat("p/thin", c), client.with_options(api_key="quire_wrong")))
tell("wrong field", refusal(lambda c: chat("p/thin", c, n=0)))
tell("provider refuses", refusal(lambda c: chat("p/refused", c)))
tell("provider busy", refusal(lambda c: chat("p/busy", c)))
tell("provider down", refusal(lambda c: chat("p/down", c)))

try:
    text_of(chat("p/broken", stream=True))
    tell("cut", "a clean end")
except openai.APIError as error:
    tell("cut", type(error).__name__)

response = client.responses.create(model="p/thin", input="Is it thin?", instructions="Be brief.")
tell("responses", f"{response.output_text} {response.status}")
with client.responses.stream(model="p/thin", input="Is it thin?") as stream:
    pieces = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    tell("responses stream", f"{pieces} {stream.get_final_response().usage.total_tokens}")

weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}
with client.chat.completions.stream(model="p/tools", messages=asks, tools=[weather]) as stream:
    for _ in stream:
        pass
    called = stream.get_final_completion().choices[0].message
results = [{"role": "tool", "tool_call_id": call.id, "content": "21"} for call in called.tool_calls]
told = client.chat.completions.create(model="p/tools", messages=[*asks, called, *results], tools=[weather])
tell("tools", f"{called.tool_calls[0].function.arguments} {len(called.tool_calls)} {told.choices[0].message.content}")
flat = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
response = client.responses.create(model="p/tools", input="Is it thin?", tools=[flat])
tell("responses tools", f"{response.output[0].type} {response.output[0].name}")


class Thickness(pydantic.BaseModel):
    thin: bool


parsed = client.chat.completions.parse(model="p/shaped", messages=asks, response_format=Thickness)
tell("shape", f"{parsed.choices[0].message.parsed}")
picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
seen = [{"role": "user", "content": [{"type": "text", "text": "Is it thin?"}, picture]}]
tell("picture", client.chat.completions.create(model="openai/gpt-4o", messages=seen).choices[0].message.content)
vector = client.embeddings.create(model="p/vectors", input=["a", "b"]).data[1].embedding
tell("embeddings", f"{vector}")

with chat("p/slow-openai", stream=True) as stream:
    next(chunk for chunk in stream if chunk.choices[0].delta.content)
tell("left", True)
