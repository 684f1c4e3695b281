package example;

import com.nimbusds.jose.EncryptionMethod;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWEAlgorithm;
import com.nimbusds.jose.JWEHeader;
import com.nimbusds.jose.JWEObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.RSAEncrypter;
import com.nimbusds.jose.jwk.RSAKey;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serializer;

/** Encrypts each value for the holder of one RSA key, bound to the topic. It signs nothing. */
public final class JweSerializer implements Serializer<String> {
  /** The setting that names the PEM file of the public key. */
  public static final String PUBLIC_KEY = "jwe.public.key.file";

  private RSAKey key;

  @Override
  public void configure(Map<String, ?> configs, boolean isKey) {
    key = Pem.publicKey((String) configs.get(PUBLIC_KEY));
  }

  @Override
  public byte[] serialize(String topic, String message) {
    if (message == null) {
      return null; // a tombstone has no content
    }
    var header = new JWEHeader.Builder(JWEAlgorithm.RSA_OAEP_256, EncryptionMethod.A256GCM).keyID(key.getKeyID()).customParam("topic", topic).build();
    var jwe = new JWEObject(header, new Payload(message));
    try {
      jwe.encrypt(new RSAEncrypter(key));
    } catch (JOSEException e) {
      throw new SerializationException("encrypting a value", e); // never send the message itself instead
    }
    return jwe.serialize().getBytes(StandardCharsets.US_ASCII);
  }
}
