package example;

import com.nimbusds.jose.JWEObject;
import com.nimbusds.jose.util.Base64URL;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.Set;

/** The binary framing of envelope/SPEC.md, section 5: what it holds as fields is a JWE, whose header follows from them. */
final class Envelope {
  /** A compact JWE, and the id of the key that opens it. */
  record Jwe(String text, String keyId) {
    static Jwe of(String text) throws ParseException {
      return new Jwe(text, JWEObject.parse(text).getHeader().getKeyID());
    }
  }

  static boolean is(byte[] value) {
    return value.length > 0 && value[0] == (byte) 0xC1;
  }

  /** Returns the JWE for a key that is held, or else for the first one. */
  static Jwe parse(byte[] value, Set<String> held) throws ParseException {
    try {
      return read(ByteBuffer.wrap(value, 1, value.length - 1), held);
    } catch (BufferUnderflowException e) {
      throw new ParseException("cut off", value.length);
    }
  }

  private static Jwe read(ByteBuffer in, Set<String> held) throws ParseException {
    var flags = in.get();
    if (flags == 2) {
      throw new ParseException("lean: only readers of this repository open such records (hint: HEADER_RECORDS=1 in the producer)", 1);
    }
    need(flags == 0 || flags == 1, in);
    var topic = new String(take(in, in.get() & 0xff), StandardCharsets.ISO_8859_1);
    need(topic.matches("[A-Za-z0-9._-]{1,249}"), in); // it goes into JSON
    var commitment = text(in, 32);
    long iat = in.getLong();
    long exp = in.getLong();
    need(iat > 0 && iat < exp && exp <= 253402300799L && exp - iat <= 86400, in);
    var signed = flags == 0 ? "" : ",\"signer\":\"" + text(in, 32) + "\",\"signature\":\"" + text(in, 64) + "\"";

    var recipients = in.get();
    need(recipients >= 1 && recipients <= 16, in);
    String keyId = null;
    String wrapped = null;
    for (int i = 0; i < recipients; i++) {
      var id = text(in, 32);
      var key = text(in, in.getShort() & 0xffff);
      if (keyId == null || !held.contains(keyId) && held.contains(id)) {
        keyId = id;
        wrapped = key;
      }
    }
    var kid = recipients == 1 ? ",\"kid\":\"" + keyId + "\"" : "";
    var header = "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"" + kid + ",\"typ\":\"kafka-e2ee-v1\",\"topic\":\"" + topic
        + "\",\"commitment\":\"" + commitment + "\",\"iat\":" + iat + ",\"exp\":" + exp + signed + "}";
    var iv = text(in, 12);
    need(in.remaining() >= 16, in);
    var ciphertext = text(in, in.remaining() - 16);
    return new Jwe(String.join(".", Base64URL.encode(header).toString(), wrapped, iv, ciphertext, text(in, 16)), keyId);
  }

  private static byte[] take(ByteBuffer in, int n) {
    if (n > in.remaining()) {
      throw new BufferUnderflowException();
    }
    var bytes = new byte[n];
    in.get(bytes);
    return bytes;
  }

  private static String text(ByteBuffer in, int n) {
    return Base64URL.encode(take(in, n)).toString();
  }

  private static void need(boolean holds, ByteBuffer in) throws ParseException {
    if (!holds) {
      throw new ParseException("damaged", in.position());
    }
  }

  private Envelope() {}
}
