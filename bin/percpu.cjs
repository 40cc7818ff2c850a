#!/usr/bin/env node
'use strict';

var problem = require('./old-node.cjs');
if (problem) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
} else {
  import('../dist/cli/main.js');
}
