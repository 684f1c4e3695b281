package cloud

import (
	"context"
	"fmt"
	"io"

	"kafka-e2ee/lab/atomicfile"
	"kafka-e2ee/lab/vault"
)

// Serve serves the emulated cloud alone, for other programs, until ctx ends.
// It writes its authority's certificate to caFile, and prints to out how to use
// the cloud.
func Serve(ctx context.Context, cfg Config, caFile string, out io.Writer) error {
	c, err := New(cfg)
	if err != nil {
		return err
	}
	c.Vault.Grant(PodID, vault.ReleaseUser)
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("%w (hint: -listen and -listen-metadata choose other addresses; ports below 1024 may need root)", err)
	}
	defer c.Close()
	// Only after Start: a cloud that already runs has written its own certificate there.
	if err := atomicfile.Write(caFile, c.Authority.PEM(), 0o644); err != nil {
		return fmt.Errorf("writing the authority's certificate: %w (hint: -ca-file names another file)", err)
	}
	fmt.Fprintf(out, greeting, cfg.AttestationHost, cfg.VaultHost, c.Addr(), c.MetadataURL(), caFile, c.Vault.Resource(), OperatorID, PodID) //nolint:errcheck // a closed terminal is not our failure
	<-ctx.Done()
	return nil
}

const greeting = `
  Emulated cloud: nothing here protects anything.

  attestation        https://%[1]s   at %[3]s
  vault              https://%[2]s   at %[3]s
  certificates, identities   %[4]s
  trust this         %[5]s   (for Go programs: SSL_CERT_FILE=%[5]s)

  Clients resolve the two host names with /etc/hosts. This writes an access token for the vault to the file token:

  curl -sH Metadata:true '%[4]s/metadata/identity/oauth2/token?api-version=2018-02-01&resource=%[6]s&client_id=%[7]s' |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/' >token

  The identity %[7]s may do everything with keys, the identity %[8]s may release them. Ctrl-C stops everything.

`
