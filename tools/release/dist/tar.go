// Package dist has the files that a release consists of: archives whose bytes depend on their content only, images as
// archives of an OCI layout, and the list of checksums.
package dist

import (
	"archive/tar"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// File is a file or, if its name ends in a slash, a folder of an archive.
type File struct {
	Name    string
	Mode    int64
	Owner   int // user and group
	Content []byte
}

// WriteTar writes an archive of the files and of the folders that they are in, in the order of their names. It has no
// other time than at, and no names of users.
func WriteTar(w io.Writer, at time.Time, files []File) error {
	archive := tar.NewWriter(w)
	for _, file := range withFolders(files) {
		header := &tar.Header{Name: file.Name, Mode: file.Mode, Uid: file.Owner, Gid: file.Owner, Size: int64(len(file.Content)), ModTime: at}
		header.Typeflag = tar.TypeReg
		if strings.HasSuffix(file.Name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(file.Content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func withFolders(files []File) []File {
	all := slices.Clone(files)
	known := map[string]bool{"./": true}
	for _, file := range files {
		known[file.Name] = true
	}
	for _, file := range files {
		for folder := parent(file.Name); !known[folder]; folder = parent(folder) {
			known[folder] = true
			all = append(all, File{Name: folder, Mode: 0o755})
		}
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func parent(name string) string { return path.Dir(strings.TrimSuffix(name, "/")) + "/" }
