"""Tests the official MCP SDK for Python against Quire, over HTTP and over `quire mcp`. Prints one line per check.

The environment contains QUIRE_URL, QUIRE_KEY, QUIRE_PROGRAM, and the settings of that program.
"""

import asyncio
import os
import sys

import httpx2
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def tell(check, seen):
    print(f"{check}: {'true' if seen is True else seen}", flush=True)


async def try_out(way, session):
    began = await session.initialize()
    tell(f"{way} server", began.server_info.name)
    tools = await session.list_tools()
    tell(f"{way} tools", " ".join(sorted(tool.name for tool in tools.tools)))
    told = await session.call_tool("consult", {"question": "The lease ends in 2031. When does it end?", "pattern": "gut"})
    tell(f"{way} consult", not told.is_error and len(told.content[0].text) > 5)
    listed = await session.call_tool("list_patterns", {})
    tell(f"{way} patterns", "critique" in listed.content[0].text)
    wrong = await session.call_tool("consult", {"question": "Why?", "models": ["nobody/none"]})
    tell(f"{way} unknown model", wrong.is_error)


async def over_http():
    headers = {"authorization": f"Bearer {os.environ['QUIRE_KEY']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with streamable_http_client(os.environ["QUIRE_URL"] + "/mcp", http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await try_out("http", session)


async def over_stdio():
    program = StdioServerParameters(command=os.environ["QUIRE_PROGRAM"], args=["mcp"], env=dict(os.environ))
    async with stdio_client(program, errlog=sys.stderr) as (read, write):
        async with ClientSession(read, write) as session:
            await try_out("stdio", session)


asyncio.run(over_http())
asyncio.run(over_stdio())
