package example;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordDeserializationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** {@code produce} sends each line of its input; {@code consume} prints the messages of a topic. */
public final class Main {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    var settings = System.getenv();
    switch (args.length == 1 ? args[0] : "") {
      case "produce" -> produce(settings);
      case "consume" -> consume(settings);
      default -> throw new IllegalArgumentException("want produce or consume");
    }
  }

  private static void produce(Map<String, String> settings) throws Exception {
    Map<String, Object> config = Map.of(
        "bootstrap.servers", settings.get("BROKERS"),
        "key.serializer", StringSerializer.class,
        "value.serializer", JweSerializer.class,
        JweSerializer.PUBLIC_KEY, settings.get("PUBLIC_KEY"));
    try (var producer = new KafkaProducer<String, String>(config);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line; (line = lines.readLine()) != null; ) {
        producer.send(new ProducerRecord<>(settings.get("TOPIC"), line)).get();
      }
    }
  }

  private static void consume(Map<String, String> settings) {
    Map<String, Object> config = Map.of(
        "bootstrap.servers", settings.get("BROKERS"),
        "group.id", "example-java",
        "auto.offset.reset", "earliest",
        "key.deserializer", StringDeserializer.class,
        "value.deserializer", JweDeserializer.class,
        JweDeserializer.PRIVATE_KEYS, settings.get("PRIVATE_KEYS"));
    try (var consumer = new KafkaConsumer<String, String>(config)) {
      consumer.subscribe(List.of(settings.get("TOPIC")));
      while (true) {
        try {
          for (var record : consumer.poll(Duration.ofSeconds(1))) {
            OUT.printf("%d/%d: %s%n", record.partition(), record.offset(), record.value());
          }
        } catch (RecordDeserializationException e) { // a bad record is an event, not a reason to stop: pass over it
          System.err.printf("%d/%d: %s%n", e.topicPartition().partition(), e.offset(), e.getCause().getMessage());
          consumer.seek(e.topicPartition(), e.offset() + 1);
        }
      }
    }
  }

  private Main() {}
}
