#!/usr/bin/env node
// Starts Postern: the TypeScript of a checkout, or the compiled program of the image and the package.
// Plain old JavaScript without import or require, which reads the same as a script and as a module: so a Node of any age
// gets as far as the line that tells it that it is too old.

var NEEDED = 24;
var INTERNAL = 70;

if (parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    'postern: needs Node.js ' + NEEDED + ' or newer, this is ' + process.versions.node + '\n',
  );
  process.exit(INTERNAL);
}

var fs = process.getBuiltinModule('node:fs');
var path = process.getBuiltinModule('node:path');
var require = process.getBuiltinModule('node:module').createRequire(process.argv[1]);

// Resolved, because npm calls this file by a symbolic link.
var root = path.dirname(path.dirname(require.resolve(process.argv[1])));
// A checkout may hold a dist/ of an older day beside the source that somebody is working on.
var source = path.join(root, 'src', 'main.ts');

function fail(error) {
  process.stderr.write('postern: cannot start: ' + error.stack + '\n');
  process.exit(INTERNAL);
}

var program;
try {
  program = require(fs.existsSync(source) ? source : path.join(root, 'dist', 'main.js'));
} catch (error) {
  fail(error);
}
program.main(process.argv.slice(2), program.processTerminal(), process.env).then(function (code) {
  process.exit(code);
}, fail);
