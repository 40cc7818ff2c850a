// A process that holds as much memory as it is told: 'message' with the bytes to take more, answered when they are touched.
const held = [];
process.on('message', (bytes) => {
  held.push(Buffer.alloc(bytes, 1));
  process.send('done');
});
process.on('disconnect', () => process.exit(0));
process.send('ready');
