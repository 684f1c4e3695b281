package example;

import com.nimbusds.jose.EncryptionMethod;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWEAlgorithm;
import com.nimbusds.jose.JWEObject;
import com.nimbusds.jose.crypto.RSADecrypter;
import com.nimbusds.jose.jwk.RSAKey;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/**
 * Decrypts values of the formats jwe and envelope. It takes only records that name a key it holds and this topic. It does not check
 * the data key's commitment, the sender, the partition, counters or times: anyone with the public key could have written the value, or
 * written it again.
 */
public final class JweDeserializer implements Deserializer<String> {
  /** The setting that names the PEM files of the private keys, separated by commas: during a rotation, the old and the new one. */
  public static final String PRIVATE_KEYS = "jwe.private.key.files";

  private final Map<String, RSAKey> keys = new HashMap<>();

  @Override
  public void configure(Map<String, ?> configs, boolean isKey) {
    for (var file : ((String) configs.get(PRIVATE_KEYS)).split(",")) {
      var key = Pem.privateKey(file);
      keys.put(key.getKeyID(), key);
    }
  }

  @Override
  public String deserialize(String topic, byte[] value) {
    if (value == null) {
      return null; // a tombstone
    }
    try {
      var jwe = Envelope.is(value) ? Envelope.parse(value, keys.keySet()) : Envelope.Jwe.of(new String(value, StandardCharsets.ISO_8859_1));
      var object = JWEObject.parse(jwe.text());
      var header = object.getHeader();
      if (!JWEAlgorithm.RSA_OAEP_256.equals(header.getAlgorithm()) || !EncryptionMethod.A256GCM.equals(header.getEncryptionMethod())) {
        throw new SerializationException("other algorithms than RSA-OAEP-256 and A256GCM");
      }
      if (!topic.equals(header.getCustomParam("topic"))) {
        throw new SerializationException("sealed for another topic, or for none"); // it was copied from there
      }
      var key = keys.get(jwe.keyId());
      if (key == null) {
        throw new SerializationException("sealed for another key");
      }
      object.decrypt(new RSADecrypter(key));
      return object.getPayload().toString();
    } catch (SerializationException e) {
      throw e;
    } catch (JOSEException e) {
      throw new SerializationException("could not be decrypted");
    } catch (ParseException | RuntimeException e) { // a header without "alg" gives a NullPointerException, for example
      throw new SerializationException("not encrypted, or damaged"); // without the cause, which could hold the value
    }
  }
}
