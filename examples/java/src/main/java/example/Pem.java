package example;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.jwk.RSAKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import org.apache.kafka.common.config.ConfigException;

/** Reads key files in PEM, as {@code envelope keygen} and openssl write them. A key's id is its thumbprint (RFC 7638). */
final class Pem {
  static RSAKey publicKey(String file) {
    try {
      return withId((RSAPublicKey) KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(body(file)))).build();
    } catch (IOException | GeneralSecurityException | JOSEException | IllegalArgumentException e) {
      throw new ConfigException("no RSA public key in " + file); // without a cause: it could show what the file holds
    }
  }

  static RSAKey privateKey(String file) {
    try {
      var rsa = KeyFactory.getInstance("RSA");
      var key = (RSAPrivateCrtKey) rsa.generatePrivate(new PKCS8EncodedKeySpec(body(file)));
      return withId((RSAPublicKey) rsa.generatePublic(new RSAPublicKeySpec(key.getModulus(), key.getPublicExponent()))).privateKey(key).build();
    } catch (IOException | GeneralSecurityException | JOSEException | IllegalArgumentException e) {
      throw new ConfigException("no RSA private key (PKCS#8) in " + file);
    }
  }

  private static RSAKey.Builder withId(RSAPublicKey key) throws JOSEException {
    return new RSAKey.Builder(key).keyID(new RSAKey.Builder(key).build().computeThumbprint().toString());
  }

  private static byte[] body(String file) throws IOException {
    return Base64.getMimeDecoder().decode(Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", ""));
  }

  private Pem() {}
}
