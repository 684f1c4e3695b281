package cloud_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/tink-crypto/tink-go/v2/kwp/subtle"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/vault"
)

// upstreamVault is in Azure's domain, because the sidecar asks for a token for
// https://vault.azure.net.
const upstreamVault = "demo.vault.azure.net"

// builtIn returns a report like the upstream sidecar's built-in one for machines
// without SEV-SNP: version 1, a fixed firmware level, never debuggable, and without
// a valid signature.
func builtIn(hostData, runtimeData []byte) []byte {
	report := make([]byte, 1184)
	binary.LittleEndian.PutUint32(report[0:], 1)
	binary.LittleEndian.PutUint32(report[4:], 1) // guest SVN
	binary.LittleEndian.PutUint64(report[8:], 0x3001f)
	report[0x10], report[0x20] = 1, 2 // family, image
	binary.LittleEndian.PutUint32(report[0x34:], 1)
	report[0x3f], report[0x40] = 0x31, 1 // current TCB, platform info
	for _, digest := range [][2]int{{0x90, 0xc0}, {0xe0, 0x140}, {0x160, 0x180}, {0x1a0, 0x1e0}, {0x2a0, 0x2d0}, {0x2e8, 0x318}} {
		for at := digest[0]; at < digest[1]; at++ {
			report[at] = byte(at) ^ 0xa5
		}
	}
	sum := sha256.Sum256(runtimeData)
	copy(report[80:], sum[:])
	copy(report[192:], hostData)
	binary.LittleEndian.PutUint64(report[384:], 0x3100000000000000)
	return report
}

// The unmodified upstream sidecar could not release a key from the emulated cloud.
// The client here sends that sidecar's requests, with its padded base64url and its
// empty initTimeData, and shares no code with the lab.
func TestUpstreamSidecar(t *testing.T) {
	c := start(t, func(cfg *cloud.Config) { cfg.DangerouslyAcceptAnyReport, cfg.VaultHost = true, upstreamVault })
	g := guest()
	made, _ := addKey(t, c, g)
	c.Vault.Grant(cloud.PodID, vault.ReleaseUser)
	client := c.Client()

	var certs struct{ VcekCert, Tcbm, CertificateChain, CacheControl string }
	get(t, client, c.MetadataURL()+"/metadata/THIM/amd/certification", &certs)
	if certs.Tcbm != "3100000000000000" {
		t.Fatalf("tcbm is %s: the sidecar would see a TCB mismatch", certs.Tcbm)
	}

	wrapping, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, padded := base64.RawURLEncoding.EncodeToString, base64.URLEncoding.EncodeToString
	n, e := raw(wrapping.N.Bytes()), raw(big.NewInt(int64(wrapping.E)).Bytes())
	runtime := []byte(`{"keys":[{"kty":"RSA","n":"` + n + `","e":"` + e + `","kid":"x","key_ops":["encrypt"]}]}`)
	host := g.HostData()
	inner, err := json.Marshal(map[string]string{
		"SnpReport": padded(builtIn(host[:], runtime)), "VcekCertChain": padded([]byte(certs.VcekCert + certs.CertificateChain)),
		"Endorsements": padded([]byte(`{"Uvm":[""]}`)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var attested struct{ Token string }
	send(t, client, "https://"+maaHost+"/attest/SevSnpVM?api-version=2020-10-01", "", map[string]any{
		"report": padded(inner), "runtimeData": map[string]string{"data": padded(runtime), "dataType": "JSON"},
		"initTimeData": map[string]string{"data": "", "dataType": ""}, "nonce": uint64(1<<63 + 1),
	}, &attested)

	var access struct {
		Token string `json:"access_token"`
	}
	get(t, client, c.MetadataURL()+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net", &access)
	var released struct{ Value string }
	send(t, client, "https://"+upstreamVault+"/keys/"+keyName+"/release?api-version=7.4", access.Token, map[string]any{"target": attested.Token}, &released)

	payload := verified(t, c, released.Value)
	var release struct {
		Request  struct{ Enc string }
		Response struct {
			Key struct {
				Key struct {
					HSM string `json:"key_hsm"`
				}
			}
		}
	}
	if err := json.Unmarshal(payload, &release); err != nil || release.Request.Enc != "CKM_RSA_AES_KEY_WRAP" {
		t.Fatalf("enc is %q: %v", release.Request.Enc, err)
	}
	hsm, err := base64.RawURLEncoding.DecodeString(release.Response.Key.Key.HSM)
	if err != nil {
		t.Fatal(err)
	}
	var blob struct{ Ciphertext string }
	if err := json.Unmarshal(hsm, &blob); err != nil {
		t.Fatal(err)
	}
	ciphertext, err := base64.RawURLEncoding.DecodeString(blob.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	kek, err := rsa.DecryptOAEP(sha1.New(), nil, wrapping, ciphertext[:256], nil)
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := subtle.NewKWP(kek)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := cipher.Unwrap(ciphertext[256:])
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		t.Fatal(err)
	}
	if private, ok := key.(*rsa.PrivateKey); !ok || !private.Equal(made) {
		t.Error("another key was released")
	}
}

// verified verifies x5c like the sidecar: an RSA server leaf for the vault's name,
// then intermediates; the last entry is skipped, because the root is trusted already.
func verified(t *testing.T, c *cloud.Cloud, text string) []byte {
	t.Helper()
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		Alg, Kid string
		X5C      []string
	}
	if err := json.Unmarshal(header, &head); err != nil || head.Alg != "RS256" || head.Kid == "" || len(head.X5C) < 2 {
		t.Fatalf("header %s: %v", header, err)
	}
	var certs []*x509.Certificate
	for _, entry := range head.X5C {
		der, err := base64.StdEncoding.DecodeString(entry)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	intermediates := x509.NewCertPool()
	for _, cert := range certs[1 : len(certs)-1] {
		intermediates.AddCert(cert)
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{
		DNSName: upstreamVault, Roots: c.Authority.Pool(), Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(certs[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func get(t *testing.T, client *http.Client, url string, into any) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Metadata", "true")
	read(t, client, request, into)
}

func send(t *testing.T, client *http.Client, url, bearer string, body, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	read(t, client, request, into)
}

func read(t *testing.T, client *http.Client, request *http.Request, into any) {
	t.Helper()
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: status %d: %s", request.URL.Path, answer.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v: %s", request.URL.Path, err, hex.EncodeToString(body))
	}
}
