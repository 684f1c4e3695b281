// Package pemtext reads PEM blocks with keys. If a text or a block holds something
// else, the error names it and says how to convert it. Errors never quote the input.
package pemtext

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Normalize converts line ends to LF and removes a byte order mark, so that files from
// Windows can be read. So can variables that a shell filled from such a file: it
// removes only the last LF and leaves a CR.
func Normalize(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// Begin starts every block.
const Begin = "-----BEGIN "

// Blocks decodes all blocks of a text. A damaged block is an error: [pem.Decode] skips
// it silently, which would leave out a reader.
func Blocks(text []byte) ([]*pem.Block, error) {
	text = Normalize(text)
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the text is empty")
	}
	begun := bytes.Count(text, []byte(Begin))
	if begun == 0 {
		return nil, notPEM(text)
	}
	var blocks []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	switch {
	case len(blocks) == begun:
		return blocks, nil
	case bytes.Contains(text, []byte(`-----\n`)):
		return nil, errors.New(`not PEM: its line breaks are written as \n (hint: use real line breaks)`)
	}
	return nil, errors.New("not PEM: a block is damaged (hint: copy it whole, with its line breaks)")
}

// notPEM returns an error that names the format of a text that is not PEM, judged by
// its first bytes.
func notPEM(text []byte) error {
	start := bytes.TrimSpace(text)
	begins := func(with ...string) bool {
		return slices.ContainsFunc(with, func(w string) bool { return bytes.HasPrefix(start, []byte(w)) })
	}
	switch {
	case begins("{"):
		return errors.New("not PEM but JSON, perhaps a JWK (hint: convert it to PEM)")
	case begins("ssh-", "ecdsa-sha2-", "sk-"):
		return errors.New("not PEM but a public key for SSH (hint: ssh-keygen -e -m PKCS8 -f FILE writes PEM)")
	case begins("---- BEGIN"):
		return errors.New("not PEM but a key for SSH in another format (hint: ssh-keygen -i -f FILE | ssh-keygen -e -m PKCS8 -f /dev/stdin writes PEM)")
	case begins("\xff\xfe", "\xfe\xff"), bytes.IndexByte(text, 0) == 1:
		return errors.New("not PEM, or in UTF-16 (hint: save the text as UTF-8)")
	case begins("0\x80", "0\x81", "0\x82", "0\x83"):
		return errors.New("not PEM but binary, perhaps DER (hint: openssl pkey -inform DER -in FILE, with -pubin for a public key, writes PEM)")
	case begins("MII"):
		return errors.New("not PEM: the lines -----BEGIN … and -----END … are missing (hint: copy it whole)")
	case begins("/", "./", "~/") && !bytes.ContainsAny(start, "\n"):
		return errors.New("not PEM but perhaps a file name (hint: give the content of the file)")
	}
	return errors.New("not PEM (hint: the text starts with -----BEGIN)")
}

// One decodes a text that must hold exactly one block, of the kind wanted.
func One(text []byte, wanted Kind) (*pem.Block, error) {
	blocks, err := Blocks(text)
	if err != nil {
		return nil, err
	}
	for _, block := range blocks { // first, because it tells more than their number
		if err := CheckBlock(block, wanted); err != nil {
			return nil, err
		}
	}
	if len(blocks) != 1 {
		return nil, fmt.Errorf("got %d PEM blocks, want 1", len(blocks))
	}
	return blocks[0], nil
}

// Kind is a kind of key, as errors name it.
type Kind string

// The kinds of keys. A signing key is Ed25519, the others are RSA.
const (
	PublicKey  Kind = "public key"
	PrivateKey Kind = "private key"
	SigningKey Kind = "signing key"
)

// CheckBlock returns an error if the type of a block shows that it cannot hold the
// kind of key wanted.
func CheckBlock(block *pem.Block, wanted Kind) error {
	private := strings.HasSuffix(block.Type, "PRIVATE KEY")
	encrypted := block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") || block.Headers["DEK-Info"] != ""
	switch {
	case wanted == PublicKey && private:
		return errors.New("this is a private key (hint: keep it secret, and give the public half: openssl pkey -in FILE -pubout)")
	case wanted != PublicKey && encrypted:
		return errors.New("the key is encrypted with a passphrase (hint: openssl pkey -in FILE -out PLAIN decrypts it; keep that file secret)")
	case wanted != PublicKey && (block.Type == "PUBLIC KEY" || block.Type == "RSA PUBLIC KEY"):
		return errors.New("this is a public key (hint: give the private half)")
	case block.Type == "CERTIFICATE", block.Type == "X509 CERTIFICATE", block.Type == "TRUSTED CERTIFICATE":
		if wanted == PublicKey {
			return errors.New("this is a certificate, not the public key alone (hint: openssl x509 -in FILE -noout -pubkey writes that)")
		}
		return fmt.Errorf("this is a certificate, not a %s (hint: give the key's own file)", wanted)
	case block.Type == "CERTIFICATE REQUEST", block.Type == "NEW CERTIFICATE REQUEST":
		return fmt.Errorf("this is a certificate request, not a %s (hint: give the key's own file)", wanted)
	case block.Type == "OPENSSH PRIVATE KEY":
		return errors.New("this is a key in the format of OpenSSH (hint: ssh-keygen -p -m PKCS8 -f COPY rewrites a copy of it)")
	case block.Type == "EC PRIVATE KEY", block.Type == "EC PARAMETERS":
		return fmt.Errorf("this is an elliptic-curve key, not %s", algorithmOf(wanted))
	case block.Type == "DSA PRIVATE KEY":
		return fmt.Errorf("this is a DSA key, not %s", algorithmOf(wanted))
	}
	return nil
}

func algorithmOf(wanted Kind) string {
	if wanted == SigningKey {
		return "Ed25519"
	}
	return "RSA"
}

// WrongKey returns the error for a key of another algorithm than wanted.
func WrongKey(key any, wanted Kind) error {
	kind := "a key of another algorithm"
	switch key.(type) {
	case *rsa.PublicKey, *rsa.PrivateKey:
		kind = "an RSA key"
	case *ecdsa.PublicKey, *ecdsa.PrivateKey, *ecdh.PublicKey, *ecdh.PrivateKey:
		kind = "an elliptic-curve key"
	case ed25519.PublicKey, ed25519.PrivateKey:
		kind = "an Ed25519 key, which signs"
	}
	return fmt.Errorf("this is %s, not an %s key", kind, algorithmOf(wanted))
}
