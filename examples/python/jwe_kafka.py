"""Records of the format jwe with joserfc and confluent-kafka: `produce` sends each line of its input, `consume` prints the messages.

It checks the topic. It does not check the data key's commitment, the sender, the partition, counters or times: anyone with the
public key could have written a record, or written it again.
"""
import os, sys
from confluent_kafka import Consumer, Producer
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

# joserfc refuses a header with members that it does not know (strict_check_header=True). Name those that our records have, and the
# check stays on for all others; strict_check_header=False would turn it off.
MEMBERS = {name: HeaderParameter(name, "str") for name in ("topic", "commitment", "signer", "signature")}
MEMBERS |= {name: HeaderParameter(name, "int") for name in ("iat", "exp")}
REGISTRY = jwe.JWERegistry(MEMBERS, algorithms=["RSA-OAEP-256", "A256GCM"])
REGISTRY.max_ciphertext_length = 1 << 20  # joserfc's limit is 64 KiB; this is what Kafka accepts by default


class Refused(Exception):
    """A record that is not opened. It is an event, not a reason to stop."""


def seal(topic: str, message: str, public_key: RSAKey) -> str:
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": public_key.thumbprint(), "topic": topic}
    return jwe.encrypt_compact(header, message.encode(), public_key, registry=REGISTRY)


def open_record(topic: str, value: bytes, keys: dict[str, RSAKey]) -> str:
    """keys holds the private keys by their thumbprints: during a rotation, the old and the new one."""
    try:
        parsed = jwe.extract_compact(value, REGISTRY)
        header = parsed.headers()
        if header.get("topic") != topic:
            raise Refused("sealed for another topic, or for none")  # it was copied from there
        if header.get("kid") not in keys:
            raise Refused("sealed for another key")
        return jwe.decrypt_compact(value, keys[header["kid"]], registry=REGISTRY).plaintext.decode()
    except (JoseError, ValueError) as error:
        raise Refused(f"not encrypted, or damaged ({type(error).__name__})") from None  # not its text, which could hold the value


def read_key(file: str) -> RSAKey:
    with open(file, "rb") as pem:
        return RSAKey.import_key(pem.read())


def produce() -> None:
    producer, topic, key = Producer({"bootstrap.servers": os.environ["BROKERS"]}), os.environ["TOPIC"], read_key(os.environ["PUBLIC_KEY"])
    failed = []
    for line in sys.stdin:
        producer.produce(topic, seal(topic, line.rstrip("\n"), key), on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    if producer.flush(120) or failed:
        sys.exit(f"not all records were sent: {failed}")


def consume() -> None:
    topic = os.environ["TOPIC"]
    keys = {key.thumbprint(): key for key in map(read_key, os.environ["PRIVATE_KEYS"].split(","))}
    consumer = Consumer({"bootstrap.servers": os.environ["BROKERS"], "group.id": "example-python", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    while True:
        record = consumer.poll(1)
        if record is None or record.value() is None:  # nothing new, or a tombstone
            continue
        if record.error():
            print(record.error(), file=sys.stderr)
            continue
        try:
            print(f"{record.partition()}/{record.offset()}: {open_record(topic, record.value(), keys)}", flush=True)
        except Refused as refused:
            print(f"{record.partition()}/{record.offset()}: {refused}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]]()
