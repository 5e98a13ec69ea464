// Prints what users.json needs for an account: lettermill run password.js NAME

const [name] = infinity.getArgs();
if (name === undefined)
	throw new Error('say for which name: lettermill run password.js NAME');

console.write(`Password for ${name}: `);
const password = infinity.crypto.hashPassword(console.readLn());
console.writeLn(`\n${JSON.stringify({ [name]: { password } }, null, '\t')}`);
