// Opens vectors with the example in JavaScript: lines of name, topic, key files and base64, to lines of name and message in hexadecimal.
import { createInterface } from 'node:readline';
import { open, readKeys } from '../../../examples/node/jwe_kafka.js';

for await (const line of createInterface({ input: process.stdin })) {
  const [name, topic, files, value] = line.split(' ');
  const answer = await open(topic, Buffer.from(value, 'base64'), await readKeys(files)).then((text) => Buffer.from(text).toString('hex'), () => 'refused');
  console.log(`${name} ${answer}`);
}
