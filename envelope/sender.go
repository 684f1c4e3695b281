package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SenderState is what is known of who sealed a record.
type SenderState string

const (
	// SenderUnchecked means that the record was not opened: only its own tag
	// ties it to the signature.
	SenderUnchecked SenderState = "unchecked"
	// SenderUnverified means that nothing says who sealed it, or that nobody is
	// trusted to say so. Anyone with the public key can.
	SenderUnverified SenderState = "unverified"
	// SenderUntrusted means that it is signed, but not by anybody trusted.
	SenderUntrusted SenderState = "untrusted"
	// SenderVerified means that its data key was signed by the sender named. A
	// holder of a private key that opens it could have sealed it, too.
	SenderVerified SenderState = "verified"
)

// SenderReason says why a sender is not verified.
type SenderReason string

// The reasons of SPEC.md, section 8.5.
const (
	ReasonUnsigned      SenderReason = "unsigned"
	ReasonNobodyTrusted SenderReason = "nobody trusted"
	ReasonUnknownSigner SenderReason = "unknown signer"
	ReasonBadSignature  SenderReason = "bad signature"
)

// Sender tells who sealed a record.
type Sender struct {
	State  SenderState
	Name   string       // from the trusted senders, if verified
	KeyID  string       // of the signing key that the record names, if signed
	Reason SenderReason // if unverified or untrusted
}

// TrustedSender is a public key and whose it is. One name may have several
// keys, as while one replaces another.
type TrustedSender struct {
	Name string
	Key  ed25519.PublicKey
}

// SigningKeyID is the JWK thumbprint of an Ed25519 public key (RFC 8037,
// appendix A.3).
func SigningKeyID(pub ed25519.PublicKey) string {
	id := signingKeyID(pub)
	return b64(id[:])
}

func signingKeyID(pub ed25519.PublicKey) [idSize]byte {
	return sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + b64(pub) + `"}`))
}

// judge verifies a data key's signature.
func (p *prefix) judge(trusted map[[idSize]byte]TrustedSender) Sender {
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

// ParseSigningKey reads one PEM block "PRIVATE KEY" (PKCS#8, RFC 8410), not
// encrypted, that holds an Ed25519 key. The errors never repeat the input.
func ParseSigningKey(text []byte) (ed25519.PrivateKey, error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, fmt.Errorf("parsing signing key: %w", err)
	}
	if len(blocks) != 1 || blocks[0].Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("parsing signing key: got %d PEM blocks, want 1 of type PRIVATE KEY, not encrypted", len(blocks))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(blocks[0].Bytes)
	if err != nil {
		return nil, errors.New("parsing signing key: the block PRIVATE KEY holds no key that can be read")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("parsing signing key: not an Ed25519 key")
	}
	return key, nil
}

// longestName is how many characters of a sender's name are shown anywhere.
const longestName = 100

// ParseTrustedSenders reads PEM blocks "PUBLIC KEY" with Ed25519 keys, each
// with the sender's name in the lines before it:
//
//	# billing, Zurich
//	-----BEGIN PUBLIC KEY-----
//	…
//
// Leading '#' and blanks do not belong to the name; several lines are joined
// with a blank. A name must be there, of at most 100 printable characters. Two
// keys may have one name; one key must not be there twice. One bad block fails
// them all. Without a block, and for an empty text, it is an error.
func ParseTrustedSenders(text []byte) ([]TrustedSender, error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, fmt.Errorf("parsing trusted senders: %w", err)
	}
	senders := make([]TrustedSender, len(blocks))
	seen := make(map[[idSize]byte]bool)
	for i := range senders {
		comment, rest, _ := bytes.Cut(text, []byte("-----BEGIN "))
		_, text = pem.Decode(append([]byte("-----BEGIN "), rest...))
		if senders[i], err = parseSender(comment, blocks[i]); err != nil {
			return nil, fmt.Errorf("parsing trusted sender %d of %d: %w", i+1, len(senders), err)
		}
		id := signingKeyID(senders[i].Key)
		if seen[id] {
			return nil, fmt.Errorf("parsing trusted sender %d of %d: the key is there twice", i+1, len(senders))
		}
		seen[id] = true
	}
	return senders, nil
}

func parseSender(comment []byte, block *pem.Block) (TrustedSender, error) {
	if block.Type != "PUBLIC KEY" {
		return TrustedSender{}, errors.New("not a public key (hint: the block must be PUBLIC KEY)")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return TrustedSender{}, errors.New("the block PUBLIC KEY holds no key that can be read")
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return TrustedSender{}, errors.New("not an Ed25519 key")
	}
	var words []string
	for line := range strings.Lines(string(comment)) {
		words = append(words, strings.Fields(strings.TrimLeft(line, "# \t"))...)
	}
	name := strings.Join(words, " ")
	if name == "" {
		return TrustedSender{}, errors.New("it has no name (hint: write it in a line before the block)")
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > longestName || strings.ContainsFunc(name, unprintable) {
		return TrustedSender{}, fmt.Errorf("the name is not one of at most %d printable characters", longestName)
	}
	return TrustedSender{Name: name, Key: key}, nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
