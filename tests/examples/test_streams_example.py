from __future__ import annotations

import ast
import asyncio

from ockam import Identifier
from tests.program import EXAMPLES, example

NAME = "streams_http"


def test_http_through_a_channel() -> None:
    async def main() -> None:
        async with example(NAME, "--listen", "127.0.0.1:0") as program:
            assert await program.ended() == 0, program.output
            (line,) = program.lines
            Identifier.parse(line.removeprefix("200 Hello, "))

    asyncio.run(main())


def test_it_is_short_and_says_how_to_run_it() -> None:
    source = (EXAMPLES / f"{NAME}.py").read_text()
    assert len(source.splitlines()) < 80
    assert f"$ python examples/{NAME}.py" in (ast.get_docstring(ast.parse(source)) or "")
