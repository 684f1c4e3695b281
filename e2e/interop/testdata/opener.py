"""A second implementation of the opening side of envelope/SPEC.md, written from that text alone."""
import base64, hashlib, hmac, json, re
from types import SimpleNamespace
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
JSON_READER = r'\{"header":\{"kid":"([\w-]*)"\},"encrypted_key":"([\w-]*)"\}'
JSON_RECORD = r'\{"protected":"([\w-]*)","recipients":\[(.*)\],"iv":"([\w-]*)","ciphertext":"([\w-]*)","tag":"([\w-]*)"\}'

class Refused(Exception): """Its text is the outcome, and the reason of a rejection."""
def need(ok, outcome="malformed"):
    if not ok: raise Refused(outcome)
def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
def unb64(text, size=None):
    need(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(b64(raw) == text and size in (None, len(raw)))
    return raw
def thumbprint(key):  # section 2
    if isinstance(key, Ed25519PublicKey):
        x = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{b64(x)}"}}'.encode()).digest()
    n = key.public_numbers()
    e, n = (b64(i.to_bytes((i.bit_length() + 7) // 8, "big")) for i in (n.e, n.n))
    return hashlib.sha256(f'{{"e":"{e}","kty":"RSA","n":"{n}"}}'.encode()).digest()
def build(topic, commitment, iat, exp, signer, signature, recipients):  # section 4
    need(re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic) and 1 <= len(recipients) <= 16)
    need(all(256 <= len(wrapped) <= 1024 for _, wrapped in recipients) and len(dict(recipients)) == len(recipients))
    need(1 <= iat < exp <= 253402300799 and exp - iat <= 86400)
    kid = f',"kid":"{b64(recipients[0][0])}"' if len(recipients) == 1 else ""
    head = f'{{"alg":"RSA-OAEP-256","enc":"A256GCM"{kid},"typ":"kafka-e2ee-v1","topic":"{topic}","commitment":"{b64(commitment)}","iat":{iat},"exp":{exp}'
    head += f',"signer":"{b64(signer)}"' if signature else ""
    header = head + (f',"signature":"{b64(signature)}"' if signature else "") + "}"
    listed = bytes([len(recipients)]) + b"".join(i + len(w).to_bytes(2, "big") + w for i, w in recipients)
    transcript = b"kafka-e2ee-v1 signature\0" + (len(head) + 1).to_bytes(2, "big") + head.encode() + b"}" + listed
    return SimpleNamespace(ours=True, topic=topic, commitment=commitment, iat=iat, exp=exp, signer=signer, signature=signature,
                           recipients=recipients, listed=listed, header=header.encode(), transcript=transcript)
def binary(record, headers):  # section 5
    if record[1:2] == b"\2":  # lean
        name, rest = record[2:18], record[18:]
        need(len(rest) >= 28 and rest[0] < 0x80)
        need(name in headers, "needs header")
        record = headers[name] + rest
    rest = memoryview(record)[1:]
    def take(n):
        nonlocal rest
        need(n <= len(rest))
        taken, rest = bytes(rest[:n]), rest[n:]
        return taken
    flags = take(1)[0]
    need(flags in (0, 1))
    topic, commitment, iat, exp = take(take(1)[0]).decode("latin-1"), take(32), take(8), take(8)
    signer, signature = (take(32), take(64)) if flags else (None, None)
    recipients = [(take(32), take(int.from_bytes(take(2), "big"))) for _ in range(take(1)[0])]
    iv = take(12)
    need(len(rest) >= 16)
    iat, exp = int.from_bytes(iat, "big"), int.from_bytes(exp, "big")
    return build(topic, commitment, iat, exp, signer, signature, recipients), iv, bytes(rest)
def keep(record, topic, headers):  # section 5.1: headers is {name: prefix}
    try:
        found, iv, sealed = binary(record, {})
    except Refused: return
    prefix = record[:len(record) - len(iv) - len(sealed)]
    if record[:1] == b"\xc1" and found.topic == topic: headers[hashlib.sha256(prefix).digest()[:16]] = prefix
def unique(pairs):
    need(len(dict(pairs)) == len(pairs))
    return dict(pairs)
def depth(value):
    nested = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, nested), default=0) if isinstance(value, (dict, list)) else 0
def algorithms(members):  # section 8.2, number 13
    alg, enc, typ = (members.get(name) for name in ("alg", "enc", "typ"))
    need(isinstance(alg, str) and isinstance(enc, str))
    if (alg, enc) != ("RSA-OAEP-256", "A256GCM") or {"zip", "crit"} & members.keys():
        need(False, "malformed" if isinstance(typ, str) and typ.lower().startswith("kafka-e2ee") else "unsupported")
def parse_header(raw):  # section 8.2, number 12
    need(len(raw) <= 8192)
    try:
        members = json.loads(raw.decode(), object_pairs_hook=unique, parse_constant=lambda _: need(False))
        need(depth(members) <= 16)
    except (ValueError, RecursionError):
        need(False)
    return members
def protected(head, recipients):  # section 8.2, numbers 12 to 15
    raw = unb64(head)
    members = parse_header(raw)
    need(isinstance(members, dict) and members.get("topic") != "")
    algorithms(members)
    need(all(isinstance(members.get(name, ""), str) for name in ("typ", "kid", "topic")))
    kid, wrapped = members.get("kid"), recipients[0][1]
    if members.get("typ") == "kafka-e2ee-v1":
        signed = "signature" in members
        iat, exp = members.get("iat"), members.get("exp")
        need(type(iat) is int and type(exp) is int)
        found = build(members.get("topic", ""), unb64(members.get("commitment"), 32), iat, exp, unb64(members.get("signer"), 32) if signed else None,
                      unb64(members.get("signature"), 64) if signed else None, recipients if len(recipients) > 1 else [(unb64(kid, 32), wrapped)])
        need(found.header == raw)
        return found
    need(not members.get("typ", "").lower().startswith("kafka-e2ee") and len(recipients) == 1)
    kid = unb64(kid) if re.fullmatch(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", kid or "") else None
    return SimpleNamespace(ours=False, commitment=b"", topic=members.get("topic"), recipients=[(kid, wrapped)], header=raw, signature=None)
class Pairs(dict):
    def __init__(self, pairs):
        super().__init__(pairs)
        self.twice = len(self) < len(pairs)
def clean(value):  # no member twice, at any depth
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not getattr(value, "twice", False) and all(map(clean, nested))
def foreign(text):  # section 8.1, number 4: the joined headers of a JWE in JSON
    try:
        jwe = json.loads(text, parse_int=float, parse_constant=lambda _: need(False), object_pairs_hook=Pairs)
        need(isinstance(jwe, dict) and all(isinstance(jwe.get(name), str) and re.fullmatch("[A-Za-z0-9_-]*", jwe[name]) for name in ("ciphertext", "iv", "tag")))
        first = jwe["recipients"][0] if isinstance(jwe.get("recipients"), list) and jwe["recipients"] else jwe
        members = {}
        for part, name in (first, "header"), (jwe, "unprotected"):
            if isinstance(part, dict) and name in part:
                need(isinstance(part[name], dict) and depth(part[name]) <= 16 and clean(part[name]))
                members |= part[name]
        if isinstance(jwe.get("protected"), str) and re.fullmatch("[A-Za-z0-9_-]*", jwe["protected"]):
            members |= parse_header(unb64(jwe["protected"]))
        need(isinstance(members.get("alg"), str) and isinstance(members.get("enc"), str))
        return members
    except (Refused, ValueError, TypeError, RecursionError):
        return None
def refuse_foreign(members):  # section 8.2, numbers 11 and 13
    algorithms(members)
    need(False, "malformed" if members.get("typ") == "kafka-e2ee-v1" else "unsupported")
def recognize(record):  # section 8.1
    text = record.decode("latin-1")
    if record[:1] == b"\xc1": return "envelope"
    if text.startswith('{"protected":"ey'): return "json"
    if foreign(record): return "foreign"
    first = re.match(r"[A-Za-z0-9_-]*", text)[0]
    if text.startswith("eyJ") and (text.count(".") >= 4 or b'"enc"' in base64.urlsafe_b64decode(first[:len(first) // 4 * 4])):
        return "compact"
    if re.fullmatch(r"e[yw][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){4}", text): return "compact"
    need(re.fullmatch(r"[A-Za-z0-9+/_=\r\n-]{201,}", text), "not encrypted")
    return "rsa"
def parse(record, kind, headers):
    if kind == "envelope":
        found, iv, sealed = binary(record, headers)
    elif kind == "compact":
        parts = record.decode("latin-1").split(".")
        need(len(parts) == 5)
        if all(re.fullmatch("[A-Za-z0-9_-]*", part) and len(part) % 4 != 1 for part in parts):
            members = parse_header(unb64(parts[0]))
            need(isinstance(members, dict))
            algorithms(members)
        wrapped, iv, sealed = unb64(parts[1]), unb64(parts[2], 12), unb64(parts[3]) + unb64(parts[4], 16)
        need(256 <= len(wrapped) <= 1024)
        found = protected(parts[0], [(None, wrapped)])
    elif kind == "foreign":
        refuse_foreign(foreign(record))
    else:
        members = foreign(record)
        if members: (algorithms(members), need(members.get("typ") == "kafka-e2ee-v1", "unsupported"))
        whole = re.fullmatch(JSON_RECORD, record.decode("latin-1"), re.ASCII)
        need(whole and re.fullmatch(rf"{JSON_READER}(,{JSON_READER})+", whole[2], re.ASCII))
        iv, sealed = unb64(whole[3], 12), unb64(whole[4]) + unb64(whole[5], 16)
        found = protected(whole[1], [(unb64(i, 32), unb64(w)) for i, w in re.findall(JSON_READER, whole[2], re.ASCII)])
    need(not found.ours or iv[0] < 0x80)
    return found, iv, sealed
def unwrap(recipients, keys):  # section 8.3: keys is {thumbprint: private key}
    need(keys, "no key")
    need(any(i is None or i in keys for i, _ in recipients), "unknown key")
    for key_id, wrapped in recipients:
        for held, key in keys.items():
            if key_id in (None, held) and len(wrapped) == (key.key_size + 7) // 8:
                try:
                    yield held, key.decrypt(wrapped, OAEP)
                except ValueError:
                    pass
def open_record(record, topic, keys, trusted, headers, formats=None, senders=None, readers=None):
    """trusted is {thumbprint: (name, public key)}; senders and readers are sets of thumbprints, formats one of names (section 8.6)."""
    try:
        kind = recognize(record)
    except Refused:
        need(formats is None, "rejected format")
        raise
    need(formats is None or {"envelope": "envelope", "rsa": "rsa"}.get(kind, "jwe") in formats, "rejected format")
    if kind == "rsa":
        need(re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2,4}={0,2}", record) and len(record) % 4 == 0)
        block = base64.b64decode(record)
        need(len(block) in (256, 384, 512) and base64.b64encode(block) == record)
        need(senders is None, "rejected sender")
        for held, plaintext in unwrap([(None, block)], keys):
            return {"plaintext": plaintext.hex(), "format": "rsa", "key": held, "sender": "unverified", "sender-reason": "unsigned"}
        raise Refused("undecryptable")
    found, iv, sealed = parse(record, kind, headers)
    need(found.topic in (None, topic), "undecryptable")
    need(senders is None or sender(found, trusted)["sender"] == "verified" and found.signer in senders, "rejected sender")
    if found.ours and readers is not None and any(i in keys for i, _ in found.recipients):
        need(all(i in keys or i in readers for i, _ in found.recipients), "rejected reader")
    for held, raw in unwrap(found.recipients, keys):
        commitment = hashlib.sha256(b"kafka-e2ee-v1 commitment\0" + raw + found.listed).digest() if found.ours else b""
        if len(raw) == 32 and hmac.compare_digest(commitment, found.commitment): break
    else: raise Refused("undecryptable")
    try:
        plaintext = AESGCM(raw).decrypt(iv, sealed, b64(found.header).encode())
    except InvalidTag: raise Refused("undecryptable")
    told = {"plaintext": plaintext.hex(), "format": kind if kind == "envelope" else "jwe", "key": held, "bound": "true" if found.topic else "false"}
    if found.ours:
        told |= {"counted": "true", "partition": str(int.from_bytes(iv[:4], "big")), "counter": str(int.from_bytes(iv[4:], "big")),
                 "issued": str(found.iat), "expires": str(found.exp)}
    return told | sender(found, trusted)
def sender(found, trusted):  # section 8.5
    if not found.signature: return {"sender": "unverified", "sender-reason": "unsigned"}
    if not trusted: return {"sender": "unverified", "sender-reason": "nobody trusted"}
    name, key = trusted.get(found.signer, (None, None))
    if key is None: return {"sender": "untrusted", "sender-reason": "unknown signer"}
    try:
        key.verify(found.signature, found.transcript)
    except InvalidSignature:
        return {"sender": "untrusted", "sender-reason": "bad signature"}
    return {"sender": "verified", "sender-name": name}
