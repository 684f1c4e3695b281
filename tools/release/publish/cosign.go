package publish

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kafka-e2ee/tools/release/dist"
)

// sign has cosign sign the pushed images, each by its digest, and the checksums, which cover every other file.
func sign(ctx context.Context, folder string, pushed []string, key string, log io.Writer) error {
	cosign, err := exec.LookPath("cosign")
	if err != nil {
		if key != "" {
			return fmt.Errorf("signing with a key: %w (hint: the images are pushed; install cosign and run this again)", err)
		}
		_, err = fmt.Fprintln(log, "publish: NOT SIGNED: cosign is not installed (hint: install it and run this again)")
		return err
	}
	var with []string
	if key != "" {
		with = []string{"--key", key}
	}
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, cosign, args...) //nolint:gosec // the user's cosign
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("running cosign %s: %w (hint: the images are pushed; run this again to sign them)", args[0], err)
		}
		return nil
	}
	for _, reference := range pushed {
		repository, digest, _ := strings.Cut(reference, "@")
		repository = repository[:strings.LastIndex(repository, ":")]
		if err := run(append(append([]string{"sign", "--yes"}, with...), repository+"@"+digest)...); err != nil {
			return err
		}
	}
	sums := filepath.Join(folder, dist.Sums)
	return run(append(append([]string{"sign-blob", "--yes"}, with...), "--bundle", sums+".sigstore.json", sums)...)
}
