"""SnapStart's calls: a runtime asks to be restored, says that it could not, and fetches credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from lamella.model.lifecycle import RuntimeState
from lamella.runtime_api.restore import Restore, Stage
from lamella.runtime_api.server import RuntimeApi
from tests.unit.runtime_api.stage import Play
from tests.unit.runtime_api.stage import Stage as Scene

FETCHED = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": "2026"}
ERROR = b'{"errorMessage":"odd","errorType":"KeyError"}'
HOOK = "Lambda-Runtime-Function-Error-Type: Runtime.AfterRestoreError\r\n"


async def begin(scene: Scene, stage: Stage) -> None:
    scene.api.close()
    scene.api = RuntimeApi(restore=Restore(stage, "token", lambda: FETCHED))
    await scene.start()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_a_runtime_that_goes_all_the_way_is_answered_at_once(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, Stage.PLAIN)
        client = await scene.client()
        for _ in range(2):  # it may have lost the answer
            answer = await client.call("GET", "restore/next")
            assert (answer.status, answer.body) == (200, b"")
        assert not scene.api.runtime.initialised.done()
        client.request("GET", "invocation/next")
        assert await scene.api.initialised() is None

    play(scenario)


def test_one_that_was_to_be_restored_may_have_to_go_all_the_way(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.close()
        scene.api = RuntimeApi(restore=Restore(Stage.RESTORED, "token", lambda: FETCHED))
        scene.api.begin_plainly()
        assert scene.api.runtime.state is RuntimeState.STARTED
        await scene.start()
        client = await scene.client()
        assert (await client.call("GET", "restore/next")).status == 200
        client.request("GET", "invocation/next")
        assert await scene.api.initialised() is None

    play(scenario)


def test_one_that_is_to_be_the_snapshot_is_initialised_and_waits(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, Stage.SNAPSHOT)
        client = await scene.client()
        client.request("GET", "restore/next")
        assert await scene.api.initialised() is None
        assert not scene.api.idle
        scene.api.close()
        assert await client.closed()

    play(scenario)


@pytest.mark.parametrize("stage", [Stage.PLAIN, Stage.RESTORED])
def test_hooks_that_fail_after_the_restore_are_told(play: Play, stage: Stage) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, stage)
        client = await scene.client()
        if stage is Stage.PLAIN:
            await client.call("GET", "restore/next")
        answer = await client.call("POST", "restore/error", ERROR, HOOK)
        assert (answer.status, answer.json) == (202, {"status": "OK"})
        reply = await scene.api.initialised()
        assert reply is not None
        assert (reply.payload, reply.error_type) == (ERROR, "Runtime.AfterRestoreError")
        assert scene.api.runtime.state is RuntimeState.RESTORE_ERROR

    play(scenario)


@pytest.mark.parametrize(
    ("stage", "method", "path", "message"),
    [
        (Stage.PLAIN, "POST", "restore/error", "from Started to RestoreError"),
        (Stage.RESTORED, "POST", "init/error", "from Restoring to InitError"),
    ],
)
def test_what_is_asked_in_the_wrong_state_is_refused(
    play: Play, stage: Stage, method: str, path: str, message: str
) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, stage)
        answer = await (await scene.client()).call(method, path, ERROR)
        assert answer.status == 403
        assert answer.json == {
            "errorMessage": f"State transition {message} failed for runtime. "
            "Error: State transition is not allowed",
            "errorType": "InvalidStateTransition",
        }

    play(scenario)


def test_one_that_serves_cannot_be_restored(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, Stage.PLAIN)
        (await scene.client()).request("GET", "invocation/next")
        await scene.api.wait_idle()
        client = await scene.client()
        for method, path in (("GET", "restore/next"), ("POST", "restore/error")):
            assert (await client.call(method, path)).status == 403

    play(scenario)


def test_other_methods_are_refused(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, Stage.PLAIN)
        client = await scene.client()
        assert (await client.call("POST", "restore/next")).status == 405
        assert (await client.call("GET", "restore/error")).status == 405
        assert (await client.call("POST", "../../2021-04-23/credentials")).status == 404

    play(scenario)


def test_who_has_no_snapstart_has_no_such_calls(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        client = await scene.client()
        assert (await client.call("GET", "restore/next")).status == 404
        assert (await client.call("POST", "restore/error")).status == 404
        client.send(b"GET /2021-04-23/credentials HTTP/1.1\r\n\r\n")
        assert (await client.answer()).status == 404

    play(scenario)


def test_credentials_are_for_those_who_know_the_token(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, Stage.RESTORED)
        client = await scene.client()
        ask = b"GET /2021-04-23/credentials HTTP/1.1\r\n%s\r\n"
        client.send(ask % b"Authorization: token\r\n")
        answer = await client.answer()
        assert (answer.status, json.loads(answer.body)) == (200, FETCHED)
        for wrong in (b"", b"Authorization: other\r\n", b"Authorization: \xff\r\n"):
            client.send(ask % wrong)
            assert (await client.answer()).status == 404

    play(scenario)


def test_an_error_that_breaks_off_can_be_told_again(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        await begin(scene, Stage.RESTORED)
        broken = await scene.client()
        broken.send(
            b"POST /2018-06-01/runtime/restore/error HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"
        )
        await broken.writer.drain()
        await until(lambda: scene.api.runtime.state is RuntimeState.RESTORE_ERROR)
        broken.close()
        await until(lambda: scene.api.runtime.state is RuntimeState.RESTORING)
        client = await scene.client()
        assert (await client.call("POST", "restore/error", ERROR, HOOK)).status == 202

    play(scenario)
