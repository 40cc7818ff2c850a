// Syntax that every Node reads: an old one must get as far as the message.
'use strict';

var version = process.versions.node.split('.').map(Number);
var isOld = version[0] < 20 || (version[0] === 20 && version[1] < 19);

/** Why this Node is too old for the package; undefined where it is not. */
module.exports = isOld ? `percpu needs Node 20.19 or newer; this is ${process.version}` : undefined;
