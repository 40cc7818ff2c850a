// Runs one variant in this process and prints its result as JSON. Usage: node bench/variant.mjs NAME
const [name] = process.argv.slice(2);
const { default: measure } = await import(`./variants/${name}.mjs`);
console.log(JSON.stringify({ variant: name, nsPerOperation: await measure() }));
process.exit(0);
