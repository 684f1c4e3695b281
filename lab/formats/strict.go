package formats

import (
	"strings"

	"kafka-e2ee/consumer"
	"kafka-e2ee/envelope"
)

// RequireProof makes the pods reject what proves too little: anything but records of
// the one format that names its readers, for no reader but the pod, by a trusted
// sender. No key is used but those that were made for the pod.
func RequireProof(pods *consumer.Config, keyIDs []string) {
	pods.RequireFormat, pods.RequireSender, pods.AllowedReaders, pods.RequireFresh = string(envelope.FormatEnvelope), "verified", "held", true
	pods.Keys.ExpectedIDs = strings.Join(keyIDs, ",")
}
