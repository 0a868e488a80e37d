"""The call with which a runtime tells what it imported: once, and only where it was asked."""

from __future__ import annotations

from tests.unit.runtime_api.stage import Client, Play, Stage

TELL = b"POST /2018-06-01/lamella/imports HTTP/1.1\r\nContent-Length: %d\r\n\r\n"


async def tell(client: Client, body: bytes) -> int:
    client.writer.write(TELL % len(body) + body)
    return (await client.answer()).status


def test_what_was_imported_is_told_once(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        heard: list[bytes] = []
        stage.api.on_imports = heard.append
        client = await stage.client()
        assert await tell(client, b'["numpy"]') == 202
        assert await tell(client, b'["pandas"]') == 404
        assert heard == [b'["numpy"]']
        assert (await client.call("GET", "nothing")).status == 404

    play(scenario)


def test_nobody_who_was_not_asked_can_tell(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        assert await tell(await stage.client(), b"[]") == 404

    play(scenario)


def test_another_method_is_refused(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        heard: list[bytes] = []
        stage.api.on_imports = heard.append
        client = await stage.client()
        client.writer.write(TELL.replace(b"POST", b"GET") % 0)
        assert (await client.answer()).status == 405
        assert heard == []

    play(scenario)


def test_more_than_may_be_told_is_thrown_away(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        heard: list[bytes] = []
        stage.api.on_imports = heard.append
        assert await tell(await stage.client(), b"x" * 100_000) == 202
        assert all(len(each) <= 65_536 for each in heard)

    play(scenario)
