"""The column of Node.js."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.behaviours.language import MANAGED, PROGRAMS, Broken, Column, Files, Raised, Source

PROGRAM = (PROGRAMS / "index.js").read_text()


class NodeJs:
    title = "Node.js"
    raised = Raised(("errorType", "errorMessage", "trace"), "TypeError", "trace")
    init_error = ("TypeError", "not ready")
    layer_handler = "/opt/nodejs/node_modules/shared/index.handler"
    absent = MANAGED

    def main(self, column: Column, build: Path) -> Source:
        return Source({"index.js": PROGRAM}, "index.handler")

    def broken(self, column: Column, case: str) -> Broken | None:
        def of(text: str, error_type: str, message: str, handler: str = "index.handler") -> Broken:
            return Broken(Source({"index.js": text}, handler), f"Runtime.{error_type}", message)

        fine = "exports.handler = async () => 1;"
        return {
            "module missing": of(
                "require('nothing_like_it')",
                "ImportModuleError",
                "Error: Cannot find module 'nothing_like_it'\n"
                "Require stack:\n- /var/task/index.js\n- /var/runtime/index.mjs",
            ),
            "file missing": of(
                fine,
                "ImportModuleError",
                "Error: Cannot find module 'gone'\nRequire stack:\n- /var/runtime/index.mjs",
                "gone.handler",
            ),
            "handler missing": of(
                fine, "HandlerNotFound", "index.gone is undefined or not exported", "index.gone"
            ),
            "malformed handler": of(fine, "MalformedHandlerName", "Bad handler", "nodot"),
            "syntax error": of(
                "exports.handler = (", "UserCodeSyntaxError", "SyntaxError: Unexpected .*"
            ),
        }.get(case)

    def layer(self, column: Column, build: Path) -> Files:
        own = f"nodejs/node{column.number}/node_modules"
        common = "nodejs/node_modules"
        return {
            f"{common}/shared/index.js": "exports.FROM = 'node_modules';\n"
            "exports.handler = async () => 'from the layer';",
            f"{own}/own/index.js": f"exports.FROM = 'node{column.number}';",
            f"{common}/own/index.js": "exports.FROM = 'beside it';",
            f"{common}/esm/package.json": '{"type": "module", "exports": {"import": "./m.js"}}',
            f"{common}/esm/m.js": "import { FROM } from 'own'; export const WHERE = FROM;",
            f"{common}/@scope/pkg/package.json": '{"exports": {"./deep": "./lib/deep.mjs"}}',
            f"{common}/@scope/pkg/lib/deep.mjs": "export default 'deep';",
        }

    def from_layer(self, column: Column) -> Any:
        return ["node_modules", f"node{column.number}"]
