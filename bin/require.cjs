// What `require('percpu')` gets: an old Node, which cannot require a module, would say that instead of what it lacks.
'use strict';

var problem = require('./old-node.cjs');
if (problem) throw new Error(problem);
module.exports = require('../dist/index.js');
