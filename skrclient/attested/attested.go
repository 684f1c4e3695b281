// Package attested lets a client prove that its TLS connection ends in a confidential container, before it trusts one
// byte that comes over it.
//
// The container makes a TLS key in its own memory and has its hardware attest the hash of that key, together with the
// ids of the keys that it holds ([RuntimeData]). At [Path] it serves the token of the attestation service:
//
//	GET /.well-known/attestation                200 {"version":1,"token":"…"}
//	GET /.well-known/attestation?nonce=NONCE    the same; the token also proves that it was made for this connection
//
//	400 the nonce is not 32 to 64 base64url characters
//	404 nothing attests this container
//	429 too many requests; Retry-After says when to ask again
//	503 the attestation failed or took too long; ask again
//
// A client makes a [Verifier] with the release policy of the container's key, and gives its [Verifier.Transport] to an
// http.Client. A request then goes out only over a connection that was verified. [Verifier.Verify] says what it compared.
//
// It does not protect from the client's own computer, from the attestation service or the roots of its TLS, from a fault
// in the attested code, or from anyone who got the container's TLS key. The same code in another deployment passes,
// unless [Config.KeyIDs] names a key that only this deployment gets.
package attested

import (
	"crypto/sha256"
	"crypto/x509"
)

// The protocol's names and limits.
const (
	Path    = "/.well-known/attestation"
	Purpose = "kafka-e2ee/page/1" // the first version; another is another purpose

	MaxNonces = 64 // in one token
	MaxKeyIDs = 64
	MaxToken  = 64 << 10 // bytes
)

// KeyHash returns the SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). Unlike a hash of the
// certificate it stays the same if the certificate is renewed with the same key.
func KeyHash(certificate *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
}
