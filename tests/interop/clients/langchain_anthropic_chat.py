"""Tests LangChain's ChatAnthropic against Quire. Prints "check: yes" per check, or else what it received.

The environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
"""

import os

import anthropic
from langchain_anthropic import ChatAnthropic
from pydantic import BaseModel, Field


class Lease(BaseModel):
    """What is known of a lease."""

    ends: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    pages: int = Field(ge=1)


def model(name, **more):
    settings = {"base_url": os.environ["QUIRE_URL"], "api_key": os.environ["QUIRE_KEY"], "max_retries": 0, "max_tokens": 200}
    return ChatAnthropic(model=name, **{**settings, **more})


def check(name, act):
    try:
        seen = act()
        print(f"{name}: {'yes' if seen is True else seen}", flush=True)
    except Exception as error:  # noqa: BLE001 - whatever the client raises is what it saw
        print(f"{name}: {type(error).__name__} {error}".replace("\n", " ")[:300], flush=True)


def streamed(name):
    total = None
    for chunk in model(name).stream(ASKS):
        total = chunk if total is None else total + chunk
    return total.text == "It is thin." and total.usage_metadata["output_tokens"] == 7


def called():
    told = model("p/any").bind_tools([Lease]).invoke(ASKS)
    return told.tool_calls[0]["name"] == "Lease" and told.response_metadata["stop_reason"] == "tool_use"


def refused():
    try:
        model("nobody/none").invoke(ASKS)
    except anthropic.NotFoundError as error:
        return "nobody/none" in str(error)
    return "no refusal"


ASKS = [("system", "Be brief."), ("human", "Is it thin?")]
check("whole", lambda: model("p/any").invoke(ASKS).text == "It is thin.")
check("stream", lambda: streamed("p/any"))
check("panel", lambda: model("quire/crew").invoke(ASKS).text == "It is thin.")
check("panel stream", lambda: "".join(chunk.text for chunk in model("quire/crew").stream(ASKS)) == "It is thin.")
check("tools", called)
check("structured output", lambda: model("p/any").with_structured_output(Lease).invoke(ASKS).ends == "2031-05-01")
check("structured output by schema", lambda: model("p/any").with_structured_output(Lease, method="json_schema").invoke(ASKS).pages == 3)
check("unknown model", refused)
