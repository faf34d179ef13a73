"""Tests LangChain's ChatOpenAI against Quire. Prints one line per check, in the form "check: result".

The environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the key.
"""

import os
import openai
from langchain_openai import ChatOpenAI


def tell(check, seen):
    print(f"{check}: {'true' if seen is True else seen}", flush=True)


def model(name, **more):
    settings = {"base_url": os.environ["QUIRE_URL"] + "/v1", "api_key": os.environ["QUIRE_KEY"], "max_retries": 0}
    return ChatOpenAI(model=name, **{**settings, **more})


def refusal(name, **more):
    try:
        model(name, **more).invoke(asks)
    except openai.APIStatusError as error:
        return f"{error.status_code}"
    return "no refusal"


asks = [("system", "Be brief."), ("human", "Is it thin?")]
whole = model("p/thin").invoke(asks)
tell("whole", f"{whole.text} {whole.usage_metadata['total_tokens']}")
total = None
for chunk in model("p/thin", stream_usage=True).stream(asks):
    total = chunk if total is None else total + chunk
tell("stream", f"{total.text} {total.usage_metadata['total_tokens']}")
tell("panel", len(model("quire/gut").invoke(asks).text) > 5)
tell("panel stream", len("".join(chunk.text for chunk in model("quire/gut").stream(asks))) > 5)
tell("responses", model("p/thin", use_responses_api=True).invoke(asks).text)
tell("unknown model", refusal("nobody/none"))
tell("wrong key", refusal("p/thin", api_key="quire_wrong"))
tell("provider refuses", refusal("p/refused"))
tell("provider busy", refusal("p/busy"))
tell("provider down", refusal("p/down"))
try:
    list(model("p/broken").stream(asks))
    tell("cut", "a clean end")
except openai.APIError:
    tell("cut", "an error")
stream = model("p/slow-langchain").stream(asks)
next(chunk for chunk in stream if chunk.text)
stream.close()
tell("left", True)
