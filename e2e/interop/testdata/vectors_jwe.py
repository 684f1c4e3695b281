"""Opens vectors with the example in Python: lines of name, topic, key files and base64, to lines of name and message in hexadecimal."""
import base64, sys
sys.path.insert(0, "../../examples/python")
from jwe_kafka import Refused, open_record, read_key

for line in sys.stdin:
    name, topic, files, value = line.rstrip("\n").split(" ")
    keys = {key.thumbprint(): key for key in map(read_key, files.split(","))}
    try:
        print(name, open_record(topic, base64.b64decode(value), keys).encode().hex())
    except Refused:
        print(name, "refused")
