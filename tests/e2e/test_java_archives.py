"""Archives of the classes of Java layers: made in the background, used, and collected."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import javas
from tests.e2e.server import Cloud, Server, serving, zipped

SHARED = """
package shared;

public class Greeting {
    static { if (System.getenv("AWS_LAMBDA_FUNCTION_NAME") == null) System.exit(3); }
    public interface Word { String say(); }
    public static class Hello implements Word { public String say() { return "hello"; } }
    public static String of(String name) { return new Hello().say() + " " + name; }
}
"""
USE = """
package example;

import java.nio.file.*;
import java.util.*;

public class Use {
    public Map<String, Object> handle(Map<String, String> event) throws Exception {
        Map<String, Object> seen = new HashMap<>();
        seen.put("said", shared.Greeting.of(event.get("name")));
        seen.put("asked", System.getProperty("lamella.learn"));
        seen.put("loader", getClass().getClassLoader().getClass().getSuperclass().getName());
        Path log = Paths.get("/tmp/classes.log");
        if (Files.exists(log)) {
            List<String> lines = new ArrayList<>();
            for (String line : Files.readAllLines(log)) {
                if (line.contains("shared.Greeting")) lines.add(line.substring(line.indexOf("shared.")));
            }
            seen.put("loaded", lines);
        }
        return seen;
    }
}
"""
TELL = {"Variables": {"JAVA_TOOL_OPTIONS": "-Xlog:class+load:file=/tmp/classes.log"}}
MAPPED = "source: shared objects file (top)"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, bytes]]:
    """The layer's jar and the function's classes."""
    root = tmp_path_factory.mktemp("java")
    built: list[dict[str, bytes]] = []
    for name, source in (("shared/Greeting.java", SHARED), ("example/Use.java", USE)):
        path = root / "source" / name
        path.parent.mkdir(parents=True)
        path.write_text(source)
        into = root / path.stem
        into.mkdir()
        javas.compile_java([path], into, path=[root / "Greeting"])
        built.append(javas.files(into))
    return javas.jar(built[0]), built[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> object:
    with serving(tmp_path_factory.mktemp("archives") / "data") as server:
        yield server


def until(met: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def archives(server: Server) -> list[Path]:
    return sorted(server.data.glob("node/sets/java-*/files/lamella.jsa"))


@pytest.mark.parametrize("runtime", ["java17", pytest.param("java25", marks=pytest.mark.slow)])
def test_a_layers_classes_are_mapped(
    server: Server, compiled: tuple[bytes, dict[str, bytes]], runtime: str
) -> None:
    cloud = Cloud(server.endpoint)
    jar, code = compiled
    layer = cloud.layer(zipped({"java/lib/shared.jar": jar, "for": runtime.encode()}))
    name = cloud.function(
        code, runtime=runtime, handler="example.Use::handle", layers=[layer], MemorySize=256
    )
    first = cloud.result(name, {"name": "you"})
    assert (first["said"], "asked" in first) == ("hello you", False)
    until(lambda: archives(server))

    cloud.configure(name, Environment=TELL)
    seen = cloud.result(name, {"name": "me"})
    assert seen["said"] == "hello me"
    assert seen["loader"] == "java.security.SecureClassLoader"
    assert len(seen["loaded"]) == 3
    assert all(MAPPED in line for line in seen["loaded"]), seen

    own = "-Xshare:off -Xlog:class+load:file=/tmp/classes.log"
    cloud.configure(name, Environment={"Variables": {"JAVA_TOOL_OPTIONS": own}})
    assert not any("shared objects" in line for line in cloud.result(name, {})["loaded"])

    cloud.client.delete_function(FunctionName=name)
    arn, _, version = layer.rpartition(":")
    cloud.client.delete_layer_version(LayerName=arn, VersionNumber=int(version))
    until(lambda: not archives(server))
