/** The package's version, as in package.json: an addon of another one is not loaded. */
export const VERSION = '0.1.0';
