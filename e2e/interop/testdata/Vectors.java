import example.JweDeserializer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;

/** Opens vectors with the example in Java: lines of name, topic, key files and base64, to lines of name and message in hexadecimal. */
public class Vectors {
  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      var fields = line.split(" ", -1);
      var deserializer = new JweDeserializer();
      deserializer.configure(Map.of(JweDeserializer.PRIVATE_KEYS, fields[2]), false);
      var answer = "refused";
      try {
        var message = deserializer.deserialize(fields[1], Base64.getDecoder().decode(fields[3]));
        answer = HexFormat.of().formatHex(message.getBytes(StandardCharsets.UTF_8));
      } catch (org.apache.kafka.common.errors.SerializationException e) {
        // refused
      }
      System.out.println(fields[0] + " " + answer);
    }
  }
}
