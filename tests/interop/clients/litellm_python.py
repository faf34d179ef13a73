"""Tests LiteLLM's SDK against Quire. Prints "check: yes" per check, or else what it received.

The environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
"""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm  # noqa: E402 - it reads the setting as it is imported
from pydantic import BaseModel, Field  # noqa: E402


class Lease(BaseModel):
    ends: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    pages: int = Field(ge=1)


URL, KEY = os.environ["QUIRE_URL"], os.environ["QUIRE_KEY"]
ASKS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it thin?"}]
WEATHER = {"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}}


def chat(model, **more):
    return litellm.completion(model=f"openai/{model}", api_base=URL + "/v1", api_key=KEY, messages=ASKS, max_retries=0, **more)


def claude(model, **more):
    return litellm.completion(model=f"anthropic/{model}", api_base=URL, api_key=KEY, messages=ASKS, max_retries=0, **more)


def check(name, act):
    try:
        seen = act()
        print(f"{name}: {'yes' if seen is True else seen}", flush=True)
    except Exception as error:  # noqa: BLE001 - whatever the client raises is what it saw
        print(f"{name}: {type(error).__name__} {error}".replace("\n", " ")[:300], flush=True)


def whole(told):
    return told.choices[0].message.content == "It is thin." and told.usage.total_tokens == 18


def streamed(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is thin."


def called(told):
    function = told.choices[0].message.tool_calls[0].function
    return function.name == "weather" and told.choices[0].finish_reason == "tool_calls"


def shaped(told):
    return Lease.model_validate_json(told.choices[0].message.content).pages == 3


def responses():
    told = litellm.responses(model="openai/p/any", input="Is it thin?", api_base=URL + "/v1", api_key=KEY)
    return told.output[0].content[0].text == "It is thin." and told.usage.output_tokens == 7


def refused():
    try:
        chat("nobody/none")
    except litellm.NotFoundError as error:
        return error.status_code == 404
    return "no refusal"


check("chat", lambda: whole(chat("p/any")))
check("chat stream", lambda: streamed(chat("p/any", stream=True)))
check("chat tools", lambda: called(chat("p/any", tools=[WEATHER])))
check("chat schema", lambda: shaped(chat("p/any", response_format=Lease)))
check("chat panel", lambda: chat("quire/crew").choices[0].message.content == "It is thin.")
check("messages", lambda: whole(claude("p/any")))
check("messages stream", lambda: streamed(claude("p/any", stream=True)))
check("messages tools", lambda: called(claude("p/any", tools=[WEATHER])))
check("responses", responses)
check("unknown model", refused)
