'use strict';
// Finds and loads the handler that a string such as "folder/file.export.member" names.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const errors = require('./errors.cjs');

const HANDLER = /^([^.]*)\.(.*)$/;

// Where AWS's own runtime stands: messages of missing modules name it.
const requireFrom = createRequire('/var/runtime/index.mjs');

function split(handler) {
  if (handler.includes('..')) {
    throw new errors.MalformedHandlerName(
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(handler);
  const match = HANDLER.exec(base);
  if (match === null) throw new errors.MalformedHandlerName('Bad handler');
  return { folder: handler.slice(0, handler.indexOf(base)), file: match[1], member: match[2] };
}

/** Whether the nearest package.json says that .js files are ES modules. */
function isModuleScope(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const description = path.join(folder, 'package.json');
    if (fs.existsSync(description)) {
      try {
        return JSON.parse(fs.readFileSync(description, 'utf8')).type === 'module';
      } catch {
        return false;
      }
    }
    if (folder === path.dirname(folder) || path.basename(folder) === 'node_modules') return false;
  }
}

function isFile(file) {
  return fs.existsSync(file) && fs.statSync(file).isFile();
}

async function loadModule(root, folder, file) {
  const base = path.resolve(root, folder, file);
  if (isFile(base)) return requireFrom(base);
  if (isFile(`${base}.js`)) {
    return isModuleScope(`${base}.js`) ? import(`${base}.js`) : requireFrom(`${base}.js`);
  }
  if (isFile(`${base}.mjs`)) return import(`${base}.mjs`);
  if (isFile(`${base}.cjs`)) return requireFrom(`${base}.cjs`);
  return requireFrom(requireFrom.resolve(file, { paths: [root, path.resolve(root, folder)] }));
}

/** The handler function. Throws the errors that AWS reports for what cannot be loaded. */
async function load(root, handler) {
  const { folder, file, member } = split(handler);
  let loaded;
  try {
    loaded = await loadModule(root, folder, file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new errors.UserCodeSyntaxError(error);
    if (error && error.code === 'MODULE_NOT_FOUND') throw new errors.ImportModuleError(error);
    throw error;
  }
  const found = member.split('.').reduce((object, key) => object && object[key], loaded);
  if (!found) throw new errors.HandlerNotFound(`${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw new errors.HandlerNotFound(`${handler} is not a function`);
  return found;
}

module.exports = { load };
