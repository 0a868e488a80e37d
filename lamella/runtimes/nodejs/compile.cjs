'use strict';
// Compiles the CommonJS modules below a folder into a compile cache, and runs none of them.
//
// Node.js writes the cache, so that it is what the same Node.js reads. argv: the cache's folder,
// the folder of modules. What does not compile is left out; in the function it fails as ever.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const MOST_BYTES = 32 * 1024 * 1024;
const MOST_FILES = 20000;
const stop = new Error('compiled');
const [, , cache, root] = process.argv;
let files = 0;

function compile(file) {
  const module = new Module(file);
  module.filename = file;
  module.paths = [];
  // Between compiling a module and calling it Node.js asks for its exports.
  Object.defineProperty(module, 'exports', { get() { throw stop; } });
  try {
    module._compile(fs.readFileSync(file, 'utf8'), file, 'commonjs');
  } catch {
    // Compiled, or no CommonJS.
  }
}

function walk(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) walk(at);
    else if (entry.isFile() && /\.c?js$/.test(at) && files < MOST_FILES && fs.statSync(at).size <= MOST_BYTES) {
      files += 1;
      compile(at);
    }
  }
}

Module.enableCompileCache(cache);
walk(root);
Module.flushCompileCache();
