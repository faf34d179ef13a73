"""Tests the anthropic SDK from PyPI against Quire. Prints one line per check, in the form "check: result".

The environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
"""

import os
import anthropic

sent = []
http = anthropic.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request.url.path)]})
client = anthropic.Anthropic(
    base_url=os.environ["QUIRE_URL"], api_key=os.environ["QUIRE_KEY"], http_client=http, max_retries=1
)
asks = {"messages": [{"role": "user", "content": "Is it thin?"}], "max_tokens": 500, "system": "Be brief."}


def tell(check, seen):
    print(f"{check}: {'true' if seen is True else seen}", flush=True)


def refusal(act, client=client):
    """Returns the class and status of the error that an action raises, and how often the request was sent."""
    before = len(sent)
    try:
        act(client)
    except anthropic.APIStatusError as error:
        return f"{type(error).__name__} {error.status_code} after {len(sent) - before}"
    return "no refusal"


def ask(model, client=client, **more):
    return client.messages.create(model=model, **{**asks, **more})


whole = ask("p/thin")
tell("whole", f"{whole.content[0].text} {whole.stop_reason} {whole.usage.output_tokens}")
with client.messages.stream(model="p/thin", **asks) as stream:
    pieces = "".join(stream.text_stream)
    last = stream.get_final_message()
tell("stream", f"{pieces} {last.stop_reason} {last.usage.output_tokens}")

tell("panel", len(ask("quire/gut").content[0].text) > 5)
with client.messages.stream(model="quire/gut", **asks) as stream:
    tell("panel stream", len("".join(stream.text_stream)) > 5)
counted = client.messages.count_tokens(model="p/thin", messages=asks["messages"])
tell("count", 0 < counted.input_tokens < 50)

tell("unknown model", refusal(lambda c: ask("nobody/none", c)))
tell("wrong key", refusal(lambda c: ask("p/thin", c), client.with_options(api_key="quire_wrong")))
tell("wrong field", refusal(lambda c: ask("p/thin", c, messages=[])))
tell("provider refuses", refusal(lambda c: ask("p/refused", c)))
tell("provider busy", refusal(lambda c: ask("p/busy", c)))
tell("provider down", refusal(lambda c: ask("p/down", c)))

try:
    with client.messages.stream(model="p/broken", **asks) as stream:
        "".join(stream.text_stream)
    tell("cut", "a clean end")
except anthropic.APIError as error:
    tell("cut", "an error")

tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}}}]
with client.messages.stream(model="p/tools", tools=tools, **asks) as stream:
    called = stream.get_final_message()
uses = [block for block in called.content if block.type == "tool_use"]
results = [{"type": "tool_result", "tool_use_id": use.id, "content": "21"} for use in uses]
turns = [*asks["messages"], {"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
told = ask("p/tools", messages=turns, tools=tools)
tell("tools", f"{called.stop_reason} {uses[0].input['place']} {len(uses)} {told.content[0].text}")

with client.messages.stream(model="p/slow-anthropic", **asks) as stream:
    next(iter(stream.text_stream))
tell("left", True)
