package fetchlimit

import (
	"testing"

	"github.com/IBM/sarama"
)

// BenchmarkRewriteResponse measures what a fetch response costs in addition to sarama.
func BenchmarkRewriteResponse(b *testing.B) {
	for name, codec := range map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD} {
		b.Run(name, func(b *testing.B) {
			batch := makeBatch(0, 500, codec, compress(b, codec, makeRecords(500, 1024, 1)))
			body := fetchResponse(11, batch, batch, batch)
			r := newRewriter(16<<20, testPlaceholderKey, unlimited(), nil)
			b.SetBytes(3 * 500 * 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.rewriteResponse(sentFetch{version: 11}, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
