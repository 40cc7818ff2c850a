#!/usr/bin/env node
// Syntax that every Node reads: an old one must get as far as the message.
'use strict';

var version = process.versions.node.split('.').map(Number);
if (version[0] < 20 || (version[0] === 20 && version[1] < 19)) {
  process.stderr.write(`percpu needs Node 20.19 or newer; this is ${process.version}\n`);
  process.exitCode = 1;
} else {
  import('../dist/cli/main.js');
}
