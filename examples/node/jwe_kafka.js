// Records of the format jwe with jose and @platformatic/kafka: `produce` sends each line of its input, `consume` prints the messages.
//
// It checks the topic. It does not check the data key's commitment, the sender, the partition, counters or times: anyone with the
// public key could have written a record, or written it again.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Consumer, MessagesStreamModes, Producer } from '@platformatic/kafka';
import { calculateJwkThumbprint, compactDecrypt, CompactEncrypt, errors, exportJWK } from 'jose';

/** @import { KeyObject } from 'node:crypto' */

class Refused extends Error {} // a record that is not opened: an event, not a reason to stop

/** @param {string} topic @param {string} message @param {KeyObject} publicKey */
export async function seal(topic, message, publicKey) {
  const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
  return new CompactEncrypt(new TextEncoder().encode(message))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid, topic })
    .encrypt(publicKey);
}

/**
 * @param {string} topic
 * @param {Buffer} value
 * @param {Map<string, KeyObject>} keys the private keys by their thumbprints: during a rotation, the old and the new one
 */
export async function open(topic, value, keys) {
  try {
    const { plaintext } = await compactDecrypt(
      value.toString('latin1'),
      (header) => {
        if (header.topic !== topic) throw new Refused('sealed for another topic, or for none'); // it was copied from there
        const key = keys.get(header.kid ?? '');
        if (!key) throw new Refused('sealed for another key');
        return key;
      },
      { keyManagementAlgorithms: ['RSA-OAEP-256'], contentEncryptionAlgorithms: ['A256GCM'] },
    );
    return new TextDecoder('utf-8', { fatal: true }).decode(plaintext);
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(`not encrypted, or damaged (${error instanceof errors.JOSEError ? error.code : 'other'})`); // not its text, which could hold the value
  }
}

/** @param {string} files PEM files, separated by commas */
export async function readKeys(files) {
  const keys = new Map();
  for (const file of files.split(',')) {
    const pem = readFileSync(file);
    keys.set(await calculateJwkThumbprint(await exportJWK(createPublicKey(pem))), createPrivateKey(pem));
  }
  return keys;
}

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

async function produce() {
  const producer = new Producer({ clientId: 'example-node', bootstrapBrokers: setting('BROKERS').split(','), autocreateTopics: true });
  const topic = setting('TOPIC');
  const key = createPublicKey(readFileSync(setting('PUBLIC_KEY')));
  for await (const line of createInterface({ input: process.stdin })) {
    await producer.send({ messages: [{ topic, value: Buffer.from(await seal(topic, line, key)) }] });
  }
  await producer.close();
}

async function consume() {
  const topic = setting('TOPIC');
  const keys = await readKeys(setting('PRIVATE_KEYS'));
  const consumer = new Consumer({ clientId: 'example-node', groupId: 'example-node', bootstrapBrokers: setting('BROKERS').split(',') });
  const records = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest' });
  for await (const record of records) {
    if (!record.value) continue; // a tombstone
    const at = `${record.partition}/${record.offset}`;
    try {
      console.log(`${at}: ${await open(topic, record.value, keys)}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      console.error(`${at}: ${error.message}`);
    }
  }
}

if (process.argv[2] === 'produce') await produce();
if (process.argv[2] === 'consume') await consume();
