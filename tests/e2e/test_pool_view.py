"""What is warm is seen, counted and decided: `lamella pool`, its page, metrics, new layer versions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lamella.api.links import Links, key_at
from lamella.api.pages import OPERATOR, POOL
from tests.commands import command
from tests.e2e.server import Cloud, Server, serving, zipped

SECONDS = 90
OTHER = "222222222222"
HEAVY = {
    "python/heavy.py": "import decimal, http.client, xml.dom.minidom",
    "python/bad.py": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
}
HANDLER = "import heavy, bad\ndef handler(event, context): return heavy.__name__"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("warm")
    with serving(folder / "data", "--preload", "on", "--log-format", "json") as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


def pool(server: Server, *words: str, account: str = "test") -> Any:
    done = said(server, *words, "--json", account=account)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(server: Server, *words: str, account: str = "test") -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return command("pool", "--endpoint", server.endpoint, *words, environ=environ)


def metrics(server: Server) -> str:
    with urllib.request.urlopen(f"{server.endpoint}/metrics") as answer:
        return str(answer.read().decode())


def figure(server: Server, name: str) -> float:
    lines = (line.rpartition(" ") for line in metrics(server).splitlines())
    return next(float(value) for key, _, value in lines if key == name)


def until(server: Server, true: Callable[[], Any]) -> Any:
    end = time.monotonic() + SECONDS
    while not (found := true()):
        assert time.monotonic() < end, server.log()
        time.sleep(0.1)
    return found


def zygotes(server: Server, layer: str) -> list[Any]:
    """The zygotes of functions with this layer, asked as the operator asks."""
    query = Links(key_at(server.data / "link.key"), time.time).url("", OPERATOR).partition("?")[2]
    with urllib.request.urlopen(f"{server.endpoint}{POOL}?{query}") as answer:
        found = json.load(answer)["zygotes"]
    return [each for each in found if layer in each["layers"]]


def is_forked(server: Server, cloud: Cloud, name: str, layer: str) -> bool:
    """Whether an environment of a function was a fork; if not, its next one may be."""
    assert cloud.result(name) == "heavy"
    if any(each["forks"] for each in zygotes(server, layer)):
        return True
    cloud.configure(name, Description=str(time.monotonic_ns()))
    return False


def forked(server: Server, cloud: Cloud, layer: str) -> str:
    """A function whose environments are forks by now."""
    name = cloud.function(HANDLER, layers=[layer], MemorySize=512)
    until(server, lambda: is_forked(server, cloud, name, layer))
    return name


@pytest.fixture(scope="module")
def layer(cloud: Cloud) -> str:
    return cloud.layer(zipped(HEAVY), "heavy")


@pytest.fixture(scope="module")
def name(server: Server, cloud: Cloud, layer: str) -> str:
    return forked(server, cloud, layer)


def test_the_pool_is_shown(server: Server, name: str, layer: str) -> None:
    found = pool(server)
    assert found["account"] == "000000000000"
    (environment,) = [each for each in found["environments"] if name in each["function"]]
    assert environment == {
        "function": f"arn:aws:lambda:eu-west-1:000000000000:function:{name}:$LATEST",
        "idle": 1,
        "busy": 0,
        "starting": 0,
        "provisioned": 0,
    }
    (zygote,) = [each for each in found["zygotes"] if each["layers"] == [layer]]
    assert zygote["account"] == "000000000000"
    assert zygote["region"] == "eu-west-1"
    assert zygote["interpreter"].startswith("python3.11 3.11")
    assert "heavy" in zygote["imported"]
    assert zygote["refused"] == {"bad": "leaves a thread behind"}
    assert zygote["forks"] >= 1
    assert zygote["rate"] > 1
    assert found["coldStarts"]["fork"]["count"] >= 1
    assert pool(server, zygote["set"])["layers"] == [layer]


def test_tables_show_it_to_a_person(server: Server, name: str, layer: str) -> None:
    shown = said(server).stdout
    (zygote,) = zygotes(server, layer)
    assert f"function:{name}:$LATEST\t1\t0\t0\t0\n" in shown
    assert f"\n{zygote['set']}\t000000000000\teu-west-1\t" in shown
    assert "\theavy:1\t" in shown
    assert (
        f"{zygote['set']}\theavy:1\tbad\tleaves a thread behind\n"
        in said(server, "--refused").stdout
    )
    assert "\nheavy\n" in said(server, zygote["set"]).stdout
    missing = said(server, "ffff0000ffff")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "There is no zygote ffff0000ffff" in missing.stderr


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a job in the background starts would ignore SIGINT, as the job does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_it_is_watched_until_it_is_ended(server: Server) -> None:
    words = [sys.executable, "-m", "lamella", "pool", "--watch", "--endpoint", server.endpoint]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        titles = 0
        while titles < 2:
            titles += watching.stdout.readline().startswith("# Environments")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0


def test_an_account_sees_its_own_and_the_operator_all(server: Server, name: str) -> None:
    theirs = pool(server, account=OTHER)
    assert theirs["account"] == OTHER
    assert (theirs["environments"], theirs["zygotes"], theirs["failures"]) == ([], [], [])
    everything = pool(server, "--data", str(server.data), account=OTHER)
    assert everything["account"] is None
    assert any(name in each["function"] for each in everything["environments"])


def test_what_cannot_be_asked_is_said(server: Server, tmp_path: Any) -> None:
    done = said(server, "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be read" in done.stderr
    (tmp_path / "link.key").write_bytes(bytes(32))
    bad = said(server, "--data", str(tmp_path))
    assert bad.returncode == 1
    assert "This link has expired, or its signature does not match." in bad.stderr
    gone = said(server, "--endpoint", "http://127.0.0.1:1")
    assert gone.returncode == 1
    assert "No server answers" in gone.stderr


def test_sessions_and_keys_with_a_policy_may_not_look(tmp_path: Any) -> None:
    with serving(tmp_path / "data", "--auth", "sigv4") as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server.endpoint}/_lamella/pool")
        refused.value.close()
        assert refused.value.code == 403
        done = said(server)
        assert (done.returncode, done.stdout) == (1, "")
        assert pool(server, "--data", str(server.data))["environments"] == []


def test_metrics_and_the_log_tell_how_cold_starts_began(
    server: Server, cloud: Cloud, name: str
) -> None:
    assert figure(server, "lamella_zygotes") >= 1
    assert figure(server, "lamella_zygotes_memory_bytes") > 0
    assert figure(server, "lamella_zygote_eggs") >= 0
    assert figure(server, 'lamella_cold_start_seconds_count{way="fork"}') >= 1
    # Spares are processes in control groups, which some hosts do not let anybody make.
    begun = [f'lamella_cold_start_seconds_count{{way="{way}"}}' for way in ("spare", "plain")]
    assert sum(figure(server, each) for each in begun) >= 1
    assert figure(server, 'lamella_plain_starts_total{reason="absent"}') >= 1
    before = figure(server, 'lamella_plain_starts_total{reason="variables"}')
    plain = cloud.function(
        "def handler(event, context): return 1", Environment={"Variables": {"LANG": "C"}}
    )
    cloud.result(plain)
    assert figure(server, 'lamella_plain_starts_total{reason="variables"}') == before + 1
    lines = [json.loads(line) for line in server.log().splitlines() if '"way"' in line]
    ways = {each["way"] for each in lines if f":{name}:" in each["function"]}
    assert {"fork"} < ways <= {"fork", "spare", "plain"}
    assert all(each["ms"] > 0 for each in lines)


def test_a_new_layer_version_has_its_zygote_before_the_first_call(
    server: Server, cloud: Cloud, name: str
) -> None:
    again = cloud.layer(zipped({**HEAVY, "python/more.py": ""}), "heavy")
    cloud.configure(name, Layers=[again])
    (made,) = until(server, lambda: zygotes(server, again))
    assert made["forks"] == 0
    assert "heavy" in made["imported"]
    assert cloud.result(name) == "heavy"
    assert zygotes(server, again)[0]["forks"] == 1


def test_an_alias_that_is_moved_has_the_zygote_of_its_new_version(
    server: Server, cloud: Cloud
) -> None:
    old = cloud.layer(zipped({**HEAVY, "python/old.py": ""}))
    new = cloud.layer(zipped({**HEAVY, "python/new.py": ""}))
    name = cloud.function(HANDLER, layers=[new], MemorySize=512)
    first = cloud.client.publish_version(FunctionName=name)["Version"]
    cloud.configure(name, Layers=[old])
    until(server, lambda: is_forked(server, cloud, name, old))
    assert zygotes(server, new) == []
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion=first)
    until(server, lambda: zygotes(server, new))
    assert cloud.invoke(name, Qualifier="live").payload == "heavy"
    assert zygotes(server, new)[0]["forks"] == 1


def test_a_zygote_goes_when_nothing_uses_its_layers(server: Server, cloud: Cloud) -> None:
    layer = cloud.layer(zipped({**HEAVY, "python/gone.py": ""}), "gone")
    name = forked(server, cloud, layer)
    cloud.client.delete_layer_version(LayerName="gone", VersionNumber=1)
    assert zygotes(server, layer)  # the function still has it
    cloud.client.delete_function(FunctionName=name)
    until(server, lambda: not zygotes(server, layer))
    assert figure(server, 'lamella_zygotes_gone_total{reason="orphan"}') >= 1


def test_the_budget_holds(tmp_path: Any) -> None:
    with serving(tmp_path / "data", "--preload", "on", "--warm-memory", "64M") as server:
        cloud = Cloud(server.endpoint)
        large = {"python/large.py": "HELD = bytes(range(256)) * 300_000"}
        layer = cloud.layer(zipped({**HEAVY, **large}))
        name = cloud.function(f"import large\n{HANDLER}", layers=[layer], MemorySize=512)

        def was_refused() -> bool:
            assert cloud.result(name) == "heavy"
            if figure(server, 'lamella_zygotes_gone_total{reason="room"}'):
                return True
            cloud.configure(name, Description=str(time.monotonic_ns()))
            return False

        until(server, was_refused)
        (failure,) = pool(server)["failures"]
        assert failure["reason"] == "others are worth more of the memory"
        assert failure["againSeconds"] > 0
        assert figure(server, "lamella_zygotes") == 0
        assert cloud.result(name) == "heavy"
