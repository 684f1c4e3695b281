package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"kafka-e2ee/envelope/internal/pemtext"
)

// SenderState is the result of verifying the sender of a record.
type SenderState string

const (
	// SenderUnchecked means that the record was not opened. Only its own tag ties
	// it to the signature.
	SenderUnchecked SenderState = "unchecked"
	// SenderUnverified means that the record is not signed, or that no senders are
	// trusted. Anyone with the public key could have sealed it.
	SenderUnverified SenderState = "unverified"
	// SenderUntrusted means that the record is signed, but not by a trusted sender.
	SenderUntrusted SenderState = "untrusted"
	// SenderVerified means that the sender named signed the record's data key. A
	// holder of a private key that opens the record could have sealed it, too.
	SenderVerified SenderState = "verified"
)

// SenderReason tells why a sender is not verified.
type SenderReason string

// The reasons of SPEC.md, section 8.5.
const (
	ReasonUnsigned      SenderReason = "unsigned"
	ReasonNobodyTrusted SenderReason = "nobody trusted"
	ReasonUnknownSigner SenderReason = "unknown signer"
	ReasonBadSignature  SenderReason = "bad signature"
)

// Sender is who sealed a record.
type Sender struct {
	State  SenderState
	Name   string       // from the trusted senders, if verified
	KeyID  string       // of the signing key that the record names, if signed
	Reason SenderReason // if unverified or untrusted
}

// TrustedSender is a sender's name and public key. One name may have several keys,
// for example while a new key replaces an old one.
type TrustedSender struct {
	Name string
	Key  ed25519.PublicKey
}

// SigningKeyID returns the JWK thumbprint of an Ed25519 public key (RFC 8037, appendix
// A.3).
func SigningKeyID(pub ed25519.PublicKey) string {
	id := signingKeyID(pub)
	return b64(id[:])
}

func signingKeyID(pub ed25519.PublicKey) [idSize]byte {
	return sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + b64(pub) + `"}`))
}

// verifySender verifies the signature of a data key; SPEC.md, section 8.5.
func (p *prefix) verifySender(trusted map[[idSize]byte]TrustedSender) Sender {
	if !p.signed {
		return Sender{State: SenderUnverified, Reason: ReasonUnsigned}
	}
	id := b64(p.signer[:])
	if len(trusted) == 0 {
		return Sender{State: SenderUnverified, KeyID: id, Reason: ReasonNobodyTrusted}
	}
	sender, known := trusted[p.signer]
	switch {
	case !known:
		return Sender{State: SenderUntrusted, KeyID: id, Reason: ReasonUnknownSigner}
	case !ed25519.Verify(sender.Key, p.transcript(), p.signature[:]):
		return Sender{State: SenderUntrusted, KeyID: id, Reason: ReasonBadSignature}
	}
	return Sender{State: SenderVerified, Name: sender.Name, KeyID: id}
}

// ParseSigningKey parses one PEM block "PRIVATE KEY" (PKCS#8, RFC 8410) with an
// Ed25519 key that is not encrypted. Errors never repeat the input.
func ParseSigningKey(text []byte) (ed25519.PrivateKey, error) {
	key, err := parseSigningKey(text)
	if err != nil {
		return nil, fmt.Errorf("parsing signing key: %w", err)
	}
	return key, nil
}

func parseSigningKey(text []byte) (ed25519.PrivateKey, error) {
	block, err := pemtext.One(text, pemtext.SigningKey)
	switch {
	case err != nil:
		return nil, err
	case block.Type == "RSA PRIVATE KEY":
		return nil, pemtext.WrongKey((*rsa.PrivateKey)(nil), pemtext.SigningKey)
	case block.Type != "PRIVATE KEY":
		return nil, errors.New("not a private key (hint: the block must be PRIVATE KEY)")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the PRIVATE KEY block holds no readable key")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, pemtext.WrongKey(parsed, pemtext.SigningKey)
	}
	return key, nil
}

// maxSenderName is the longest name of a sender, in characters.
const maxSenderName = 100

// ParseTrustedSenders parses PEM blocks "PUBLIC KEY" with Ed25519 keys, each with the
// sender's name in the lines before it:
//
//	# billing, Zurich
//	-----BEGIN PUBLIC KEY-----
//	…
//
// Leading '#' and spaces do not belong to the name; several lines are joined with a
// space. A name has 1 to 100 printable characters. Two keys may have the same name,
// but no key may occur twice. One bad block fails all of them, and a text without a
// block is an error.
func ParseTrustedSenders(text []byte) ([]TrustedSender, error) {
	text = pemtext.Normalize(text)
	blocks, err := pemtext.Blocks(text)
	if err != nil {
		return nil, fmt.Errorf("parsing trusted senders: %w", err)
	}
	senders := make([]TrustedSender, len(blocks))
	seen := make(map[[idSize]byte]bool)
	for i := range senders {
		begin := bytes.Index(text, []byte(pemtext.Begin))
		comment := text[:begin]
		_, text = pem.Decode(text[begin:])
		if senders[i], err = parseSender(comment, blocks[i]); err != nil {
			return nil, fmt.Errorf("parsing trusted sender %d of %d: %w", i+1, len(senders), err)
		}
		id := signingKeyID(senders[i].Key)
		if seen[id] {
			return nil, fmt.Errorf("parsing trusted sender %d of %d: duplicate key", i+1, len(senders))
		}
		seen[id] = true
	}
	return senders, nil
}

func parseSender(comment []byte, block *pem.Block) (TrustedSender, error) {
	if err := pemtext.CheckBlock(block, pemtext.PublicKey); err != nil {
		return TrustedSender{}, err
	}
	if block.Type == "RSA PUBLIC KEY" {
		return TrustedSender{}, pemtext.WrongKey((*rsa.PublicKey)(nil), pemtext.SigningKey)
	}
	if block.Type != "PUBLIC KEY" {
		return TrustedSender{}, errors.New("not a public key (hint: the block must be PUBLIC KEY)")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return TrustedSender{}, errors.New("the PUBLIC KEY block holds no readable key")
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return TrustedSender{}, pemtext.WrongKey(parsed, pemtext.SigningKey)
	}
	var words []string
	for line := range strings.Lines(string(comment)) {
		words = append(words, strings.Fields(strings.TrimLeft(line, "# \t"))...)
	}
	name := strings.Join(words, " ")
	if name == "" {
		return TrustedSender{}, errors.New("it has no name (hint: write the name in a line before the block)")
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxSenderName || strings.ContainsFunc(name, unprintable) {
		return TrustedSender{}, fmt.Errorf("the name does not have at most %d printable characters", maxSenderName)
	}
	return TrustedSender{Name: name, Key: key}, nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
