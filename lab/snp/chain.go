package snp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/google/go-sev-guest/kds"
	"golang.org/x/sync/errgroup"
)

const (
	productLine = "Milan"
	productName = "Milan-B0"
	// The real ARK and ASK have 4096 bits, which take seconds to generate.
	caBits = 2048
	// lifetime outlasts a lab that is left running.
	lifetime = 365 * 24 * time.Hour
)

// certify creates the chain of AMD's specification 57230. It does not use the
// signer of go-sev-guest's testing package: its keys are published, it is not safe
// for concurrent use, and it adds flags to the program.
func (c *Chip) certify() error {
	var arkKey, askKey *rsa.PrivateKey
	var keys errgroup.Group
	for _, into := range []**rsa.PrivateKey{&arkKey, &askKey} {
		keys.Go(func() (err error) {
			*into, err = rsa.GenerateKey(rand.Reader, caBits)
			return err
		})
	}
	if err := keys.Wait(); err != nil {
		return err
	}
	extensions, err := c.extensions()
	if err != nil {
		return err
	}
	ark, ask, vcek := authority("ARK-"+productLine), authority("SEV-"+productLine), certificate("SEV-VCEK")
	vcek.ExtraExtensions = extensions
	if c.ark, err = sign(ark, ark, arkKey.Public(), arkKey); err != nil {
		return err
	}
	if c.ask, err = sign(ask, c.ark, askKey.Public(), arkKey); err != nil {
		return err
	}
	c.vcek, err = sign(vcek, c.ask, c.key.Public(), askKey)
	return err
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber:       big.NewInt(now.UnixNano()),
		SignatureAlgorithm: x509.SHA384WithRSAPSS,
		NotBefore:          now.Add(-time.Hour),
		NotAfter:           now.Add(lifetime),
		Subject: pkix.Name{
			Country: []string{"US"}, Locality: []string{"Santa Clara"}, Province: []string{"CA"},
			Organization: []string{"Advanced Micro Devices"}, OrganizationalUnit: []string{"Engineering"}, // verifiers require it
			CommonName: name,
		},
	}
}

func authority(name string) *x509.Certificate {
	cert := certificate(name)
	cert.IsCA, cert.BasicConstraintsValid = true, true
	cert.KeyUsage = x509.KeyUsageCertSign
	return cert
}

func sign(cert, parent *x509.Certificate, public crypto.PublicKey, key *rsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", cert.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// extensions bind the certificate to the chip and to its firmware level.
func (c *Chip) extensions() ([]pkix.Extension, error) {
	parts := c.parts()
	var list []pkix.Extension
	var failed error
	add := func(id asn1.ObjectIdentifier, value any, params string) {
		der, err := asn1.MarshalWithParams(value, params)
		if err != nil {
			failed = err
		}
		list = append(list, pkix.Extension{Id: id, Value: der})
	}
	add(kds.OidStructVersion, 0, "")
	add(kds.OidProductName1, productName, "ia5")
	add(kds.OidBlSpl, int(parts.BlSpl), "")
	add(kds.OidTeeSpl, int(parts.TeeSpl), "")
	add(kds.OidSnpSpl, int(parts.SnpSpl), "")
	add(kds.OidSpl4, int(parts.Spl4), "")
	add(kds.OidSpl5, int(parts.Spl5), "")
	add(kds.OidSpl6, int(parts.Spl6), "")
	add(kds.OidSpl7, int(parts.Spl7), "")
	add(kds.OidUcodeSpl, int(parts.UcodeSpl), "")
	add(kds.OidHwid, c.id[:], "")
	return list, failed
}

// Root returns the manufacturer's certificates, which an attestation service trusts.
func (c *Chip) Root() Root { return Root{ark: c.ark, ask: c.ask} }

// vcekPEM and chainPEM are the two parts of [Certification].
func (c *Chip) vcekPEM() []byte { return pemOf(c.vcek) }

func (c *Chip) chainPEM() []byte { return pemOf(c.ask, c.ark) }

func pemOf(certs ...*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, cert := range certs {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return text.Bytes()
}
