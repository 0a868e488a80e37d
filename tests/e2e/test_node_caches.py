"""Compile caches of Node.js layers, where this host has a Node.js that reads them."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from lamella.errors import RuntimeMissing
from lamella.invoke.node_caches import knows_caches
from lamella.runtimes.catalog import Catalog
from tests.e2e.server import Cloud, serving, zipped

USE = """
const { existsSync } = require('node:fs');
const module_ = require('node:module');
const shared = require('shared');
exports.handler = async () => [
  shared.hello('you'), shared.ran, Boolean(module_.getCompileCacheDir?.()), existsSync('/opt/nodejs/.compile-cache')];
"""
SHARED = """
require('node:fs').existsSync('/var/task') || process.exit(7);
exports.ran = 'here';
exports.hello = (name) => `hello ${name}`;
"""


@pytest.fixture(scope="module")
def runtime() -> str:
    catalog = Catalog.discover(os.environ)
    for name in ("nodejs24.x", "nodejs22.x"):
        try:
            if knows_caches(catalog.find(name)):
                return name
        except RuntimeMissing:
            continue
    pytest.skip("this host has no Node.js from 22.1 on")


def test_a_layers_modules_are_compiled_ahead(runtime: str, tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        cloud = Cloud(server.endpoint)
        files = {
            "nodejs/node_modules/shared/index.js": SHARED,
            "nodejs/node_modules/shared/es.js": "export const a = 1;",
            "nodejs/node_modules/shared/broken.js": "syntax error",
        }
        layer = cloud.layer(zipped(files))
        code = {"index.js": USE}
        name = cloud.function(code, runtime=runtime, handler="index.handler", layers=[layer])
        assert cloud.result(name)[:2] == ["hello you", "here"]

        def caches() -> list[Path]:
            return [
                path
                for path in server.data.glob("**/sets/*-node-*/files/nodejs/.compile-cache/*/*")
                if re.fullmatch("[0-9a-f]+", path.name)
            ]

        deadline = time.monotonic() + 60
        while not caches():
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.05)
        cloud.configure(name, Description="again")
        assert cloud.result(name) == ["hello you", "here", True, True]
        # Node.js itself says what it takes from a cache.
        cloud.configure(name, Environment={"Variables": {"NODE_DEBUG_NATIVE": "COMPILE_CACHE"}})
        log = cloud.invoke(name).log
        assert re.search(
            r"cache for .*/opt/nodejs/node_modules/shared/index.js was accepted", log
        ), log

        cloud.client.delete_function(FunctionName=name)
        arn, _, version = layer.rpartition(":")
        cloud.client.delete_layer_version(LayerName=arn, VersionNumber=int(version))
        while caches():
            assert time.monotonic() < deadline
            time.sleep(0.05)
