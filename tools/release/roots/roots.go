// Package roots has the roots of TLS that the images contain: those that Mozilla's browsers trust, from a Go module. So
// go.sum pins them, and an image has the same ones wherever it is built.
package roots

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Module is the Go module that has the certificates.
const Module = "golang.org/x/crypto/x509roots/fallback"

// File is where Go's TLS looks for them in an image.
const File = "etc/ssl/certs/ca-certificates.crt"

// PEM returns the certificates. It leaves out those that are trusted only with a condition, such as a latest date of issue:
// a PEM file cannot express one.
func PEM() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return text.Bytes()
}
