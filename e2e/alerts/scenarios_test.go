package alerts_test

import (
	"crypto/rsa"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// scenarios are what happens to the pods, in the order in which it happens. Those of Kafka's faults are in kafka_test.go.
var scenarios = []func(*world){
	revokedAndFilled, allIsWell, hostileRecords, writtenBefore, rejectedRecords, noKey, foreignKey, expiringPage, keyFileDamaged, messageTooLong,
	consumerKilled, producerKilled, producerFinishes, brokerStops, brokerAway, partitionLost, topicFilled,
}

// allIsWell has everything that an alert is about, and nothing wrong.
func allIsWell(w *world) {
	c := w.broker()
	url := w.attest(8 * time.Hour)
	cert, key := w.certificate(90 * 24 * time.Hour)
	w.consume("well", c, "SKR_URL="+url, "TRUSTED_SENDERS_FILE="+w.keys.Trusted, "REQUIRE_SENDER=verified",
		"WEB_TLS_CERT_FILE="+cert, "WEB_TLS_KEY_FILE="+key, "WEB_ATTESTED_ADDR="+harness.FreeAddr(w.t), "WEB_HOSTS=localhost")
	w.produce("well-producer", c, "PUBKEY="+w.keys.Public, "SIGNING_KEY_FILE="+w.keys.Signing)
	w.reads("well")
	w.attested("well")
	w.expect("well")
	w.expect("well-producer")
}

// hostileRecords are what Kafka's operator, or whoever may write, can do with records.
func hostileRecords(w *world) {
	c, key := w.broker(), w.keys.Private
	strangers, _ := harness.NewSender(w.t, "a stranger")
	seal := harness.NewSealer(w.t, key, w.keys.Signing, envelope.FormatEnvelope, harness.Topic)
	elsewhere := harness.NewSealer(w.t, key, w.keys.Signing, envelope.FormatEnvelope, "another-topic")
	forged := harness.NewSealer(w.t, key, strangers, envelope.FormatEnvelope, harness.Topic)
	old := harness.NewSealerAt(w.t, key, w.keys.Signing, envelope.FormatEnvelope, harness.Topic, func() time.Time { return time.Now().Add(-24 * time.Hour) })
	first := seal("first", 0)
	w.consume("hostile", c, "TRUSTED_SENDERS_FILE="+w.keys.Trusted)
	w.reads("hostile")
	harness.Write(w.t, c, 0, first)
	w.shows("hostile", `e2ee_consumer_records_total{state="decrypted",topic="`+harness.Topic+`"} 1`)
	w.then(func() {
		seal("withheld", 0)
		harness.Write(w.t, c, 0, first, seal("after a gap", 0), seal("for the other partition", 1), elsewhere("copied", 0),
			[]byte("plain text"), forged("forged", 0), old("held back", 0), w.sealForTwo("for another reader, too"))
	})
	w.expect("hostile", "KafkaE2EERepeated", "KafkaE2EERecordsMissing", "KafkaE2EERecordsMoved", "KafkaE2EENotDecrypted",
		"KafkaE2EENotEncrypted", "KafkaE2EEUntrustedSender", "KafkaE2EEStale", "KafkaE2EEOtherReaders")
}

// writtenBefore is a record that was written while no consumer ran: it is counted before Prometheus knows the pod.
func writtenBefore(w *world) {
	c := w.broker()
	harness.Write(w.t, c, 0, []byte("plain text"))
	w.consume("restarted", c)
	w.reads("restarted")
	w.shows("restarted", `e2ee_consumer_records_total{state="plain",topic="`+harness.Topic+`"} 1`)
	w.expect("restarted", "KafkaE2EENotEncrypted")
}

// sealForTwo seals a message that somebody else can read, too.
func (w *world) sealForTwo(text string) []byte {
	w.t.Helper()
	signing, err := os.ReadFile(w.keys.Signing)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := envelope.ParseSigningKey(signing)
	if err != nil {
		w.t.Fatal(err)
	}
	other := harness.NewKeyOf(w.t, 2048)
	s, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&w.keys.Private.PublicKey, &other.PublicKey}, SigningKey: signer})
	if err != nil {
		w.t.Fatal(err)
	}
	value, err := s.Seal(nil, []byte(text), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}

// rejectedRecords are excluded by the settings.
func rejectedRecords(w *world) {
	c := w.broker()
	unsigned := harness.NewSealer(w.t, w.keys.Private, "", envelope.FormatEnvelope, harness.Topic)
	w.consume("strict", c, "TRUSTED_SENDERS_FILE="+w.keys.Trusted, "REQUIRE_SENDER=verified", "REQUIRE_FORMAT=envelope")
	w.reads("strict")
	w.then(func() {
		harness.Write(w.t, c, 0, unsigned("not signed", 0), harness.Encrypt(w.t, w.keys.Private, "in the format rsa"))
	})
	w.expect("strict", "KafkaE2EERejected", "KafkaE2EERejectedFormat")
}

// noKey is an ordinary pod whose page should be attested.
func noKey(w *world) {
	w.consume("no-key", w.broker(), "SKR_URL="+harness.NoSidecar,
		"WEB_ATTESTED_ADDR="+harness.FreeAddr(w.t), "WEB_HOSTS=localhost")
	w.knowsLag("no-key")
	w.expect("no-key", "KafkaE2EENoKey", "KafkaE2EEPageNotAttested")
}

// foreignKey is a pod whose key was replaced in the vault.
func foreignKey(w *world) {
	w.consume("foreign-key", w.broker(), "EXPECTED_KEY_IDS="+envelope.KeyID(&harness.NewKeyOf(w.t, 2048).PublicKey))
	w.knowsLag("foreign-key")
	w.expect("foreign-key", "KafkaE2EENoKey", "KafkaE2EEUnexpectedKey")
}

// expiringPage is a pod whose certificate and attestation are about to expire; then its certificate's file is damaged.
func expiringPage(w *world) {
	url := w.attest(10 * time.Minute)
	cert, key := w.certificate(24 * time.Hour)
	w.consume("expiring", w.broker(), "SKR_URL="+url, "WEB_TLS_CERT_FILE="+cert, "WEB_TLS_KEY_FILE="+key,
		"WEB_ATTESTED_ADDR="+harness.FreeAddr(w.t), "WEB_HOSTS=localhost")
	w.reads("expiring")
	w.attested("expiring")
	w.then(func() { w.write(cert, "damaged") })
	w.expect("expiring", "KafkaE2EECertificateExpires", "KafkaE2EEAttestationExpires", "KafkaE2EEPageFilesUnusable")
}

// keyFileDamaged is a typo in the producer's file of public keys.
func keyFileDamaged(w *world) {
	file := filepath.Join(w.t.TempDir(), "public.pem")
	w.write(file, w.keys.Public)
	w.produce("key-file-producer", w.broker(), "PUBKEY_FILE="+file)
	w.then(func() { w.write(file, strings.Replace(w.keys.Public, "BEGIN", "BEGINN", 1)) })
	w.expect("key-file-producer", "KafkaE2EEProducerKeysStale")
}

// messageTooLong is a producer of the format rsa with a line that is too long for it.
func messageTooLong(w *world) {
	in, lines, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	w.run("produce", "too-long-producer", w.broker(), in, []string{"PUBKEY=" + w.keys.Public})
	w.t.Cleanup(func() { lines.Close(); in.Close() })
	w.then(func() {
		if _, err := lines.WriteString(strings.Repeat("x", 400) + "\n"); err != nil {
			w.t.Fatal(err)
		}
	})
	w.expect("too-long-producer", "KafkaE2EENotSent")
}

// consumerKilled is a consumer that does not come back.
func consumerKilled(w *world) {
	w.consume("killed", w.broker())
	w.reads("killed")
	w.then(w.consumers[len(w.consumers)-1].Kill)
	w.expect("killed", "KafkaE2EEConsumerGone")
}

// producerKilled is a producer that was to send until it is stopped, and does not come back.
func producerKilled(w *world) {
	p := w.run("produce", "killed-producer", w.broker(), nil, []string{"PUBKEY=" + w.keys.Public})
	w.then(p.Kill)
	w.expect("killed-producer", "KafkaE2EEProducerGone")
}

// producerFinishes is a producer whose input ends. It exits with status 0, and nobody misses it.
func producerFinishes(w *world) {
	in, lines, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { in.Close() })
	p := w.run("produce", "finished-producer", w.broker(), in, []string{"PUBKEY=" + w.keys.Public})
	w.then(func() {
		if _, err := lines.WriteString("the last message\n"); err != nil {
			w.t.Fatal(err)
		}
		lines.Close()
		p.WaitExit()
	})
	w.expect("finished-producer")
}

// certificate makes a certificate of the page that is valid for so long, and returns its files.
func (w *world) certificate(lasts time.Duration) (cert, key string) {
	w.t.Helper()
	folder := w.t.TempDir()
	cert, key = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	certText, keyText := realkafka.NewAuthority(w.t, "page").Issue("page", lasts)
	w.write(cert, certText)
	w.write(key, keyText)
	return cert, key
}

// write replaces a file at once, as Kubernetes does.
func (w *world) write(file, text string) {
	w.t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		w.t.Fatal(err)
	}
}
