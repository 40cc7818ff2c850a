// Imported first, for its effect: an older Node would fail later, with an error that does not say why.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  throw new Error(`percpu needs Node 20.19 or newer; this is ${process.version}`);
}
