package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Base64;
import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.SerializationException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JweTest {
  @TempDir Path folder;
  private final JweSerializer serializer = new JweSerializer();
  private final JweDeserializer deserializer = new JweDeserializer();

  @BeforeEach
  void makeKeys() throws Exception {
    var key = keyPair();
    serializer.configure(Map.of(JweSerializer.PUBLIC_KEY, pem("public", "PUBLIC KEY", key.getPublic().getEncoded())), false);
    var old = pem("old", "PRIVATE KEY", keyPair().getPrivate().getEncoded());
    var present = pem("new", "PRIVATE KEY", key.getPrivate().getEncoded());
    deserializer.configure(Map.of(JweDeserializer.PRIVATE_KEYS, old + "," + present), false);
  }

  // Without this, a program could lose messages, or lose them while keys are rotated.
  @Test
  void opensWhatItSeals() {
    for (var message : new String[] {"", "hello", "é", "x".repeat(100_000)}) {
      var value = serializer.serialize("t", message);
      assertFalse(message.length() > 1 && new String(value, StandardCharsets.UTF_8).contains(message));
      assertEquals(message, deserializer.deserialize("t", value));
    }
    assertNull(deserializer.deserialize("t", serializer.serialize("t", null)));
  }

  // Without this, a program could take what was altered, copied from another topic, or never encrypted.
  @Test
  void refusesTheRest() {
    var value = serializer.serialize("t", "hello");
    assertThrows(SerializationException.class, () -> deserializer.deserialize("other", value));
    var parts = new String(value, StandardCharsets.US_ASCII).split("\\.");
    for (int part = 0; part < parts.length; part++) {
      var altered = parts.clone();
      var bytes = Base64.getUrlDecoder().decode(parts[part]);
      bytes[bytes.length / 2] ^= 1;
      altered[part] = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
      var text = String.join(".", altered).getBytes(StandardCharsets.US_ASCII);
      assertThrows(SerializationException.class, () -> deserializer.deserialize("t", text), "part " + part);
    }
    for (var text : new String[] {"hello", "", ".....", "{}", "\u00c1"}) {
      assertThrows(SerializationException.class, () -> deserializer.deserialize("t", text.getBytes(StandardCharsets.ISO_8859_1)), text);
    }
  }

  // Without this, a wrong file could end up in a log.
  @Test
  void errorsDoNotRepeatKeys() throws Exception {
    var file = pem("wrong", "PRIVATE KEY", "a secret".getBytes(StandardCharsets.UTF_8));
    var error = assertThrows(ConfigException.class, () -> new JweDeserializer().configure(Map.of(JweDeserializer.PRIVATE_KEYS, file), false));
    assertNull(error.getCause());
  }

  private static KeyPair keyPair() throws Exception {
    var generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    return generator.generateKeyPair();
  }

  private String pem(String name, String kind, byte[] der) throws Exception {
    var text = "-----BEGIN " + kind + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END " + kind + "-----\n";
    return Files.writeString(folder.resolve(name), text).toString();
  }
}
