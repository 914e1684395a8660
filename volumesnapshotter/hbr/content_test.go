// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// load is how many files and bytes there are in all, and the size of each of the largeFiles.
type load struct{ files, bytes, large int64 }

const largeFiles = 4

// theLoad is 5,000 files of 1 GiB, or, where the race detector makes that take minutes, less.
func theLoad() load {
	if raceEnabled {
		return load{files: 1000, bytes: 16 << 20, large: 3 << 20}
	}
	return load{files: 5000, bytes: 1 << 30, large: 240 << 20}
}

// entry is a file, a directory, which has no content, or a link, whose content is its target.
type entry struct {
	name string
	mode fs.FileMode
	size int64
}

// entries returns what a file system can hold, or, for a bucket, what that can: keys in UTF-8.
// Each directory comes before what is in it.
func (l load) entries(bucket bool) []entry {
	all := []entry{
		{name: "empty", mode: fs.ModeDir | 0o711},
		{name: "empty/inner", mode: fs.ModeDir | 0o750},
		{name: "odd", mode: fs.ModeDir | 0o755},
		{name: "deep", mode: fs.ModeDir | 0o755},
		{name: "modes", mode: fs.ModeDir | 0o755},
		{name: "links", mode: fs.ModeDir | 0o755},
		{name: "large", mode: fs.ModeDir | 0o755},
		{name: "small", mode: fs.ModeDir | 0o755},
		{name: "links/to-file", mode: fs.ModeSymlink},
		{name: "links/dangling", mode: fs.ModeSymlink},
		{name: "links/absolute", mode: fs.ModeSymlink},
		{name: "links/up", mode: fs.ModeSymlink},
	}
	odd := []string{
		" leading", "trailing ", "two  spaces", "new\nline", "tab\t", "öäü-数据-🍵", "*?[x]", "-rf", `back\slash`, `quote'"`, "%41&=+", "...",
		strings.Repeat("n", 255), strings.Repeat("数", 85),
	}
	if !bucket {
		odd = append(odd, "\xff\xfe")
	}
	for _, name := range odd {
		all = append(all, entry{name: "odd/" + name, mode: 0o640, size: 11})
	}
	deep := "deep"
	for range 60 {
		deep += "/directory"
		all = append(all, entry{name: deep, mode: fs.ModeDir | 0o755})
	}
	all = append(all, entry{name: deep + "/file", mode: 0o600, size: 5}, entry{name: "nothing", mode: 0o644})
	for _, mode := range []fs.FileMode{0, 0o400, 0o600, 0o755, 0o666} {
		all = append(all, entry{name: fmt.Sprintf("modes/%o", mode), mode: mode, size: 3})
	}
	for i := range largeFiles {
		all = append(all, entry{name: fmt.Sprintf("large/%d", i), mode: 0o644, size: l.large})
	}
	return l.withSmall(all)
}

// withSmall adds small files until there are as many files and bytes as there are to be.
func (l load) withSmall(all []entry) []entry {
	count, size := l.files, l.bytes
	for _, e := range all {
		if e.mode.IsRegular() {
			count, size = count-1, size-e.size
		}
	}
	for i := range count {
		if i%100 == 0 {
			all = append(all, entry{name: fmt.Sprintf("small/%d", i/100), mode: fs.ModeDir | 0o755})
		}
		part := size / (count - i)
		if i < count-1 {
			part = part * (i % 7) / 6 // Some are empty, and none is as large as the next.
		}
		size -= part
		all = append(all, entry{name: fmt.Sprintf("small/%d/%d", i/100, i), mode: 0o644, size: part})
	}
	return all
}

// contentOf returns a function that has the bytes of the n-th entry: those of a generator
// again and again, from another one on for each file.
func contentOf(all []entry) func(n int) io.Reader {
	block := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(block)
	return func(n int) io.Reader {
		return io.LimitReader(&repeated{bytes: block[n:]}, all[n].size)
	}
}

// repeated reads the same bytes without an end.
type repeated struct {
	bytes []byte
	at    int
}

func (r *repeated) Read(to []byte) (int, error) {
	n := copy(to, r.bytes[r.at:])
	r.at = (r.at + n) % len(r.bytes)
	return n, nil
}

// plantAll makes the entries in a directory.
func plantAll(t *testing.T, root string, all []entry) {
	t.Helper()
	content := contentOf(all)
	for i, e := range all {
		if err := plantOne(filepath.Join(root, e.name), e, content(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := len(all) - 1; i >= 0; i-- { // Directories that must not be written to come last.
		if all[i].mode&fs.ModeSymlink != 0 {
			continue
		}
		if err := os.Chmod(filepath.Join(root, all[i].name), all[i].mode.Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

func plantOne(name string, e entry, content io.Reader) error {
	switch {
	case e.mode.IsDir():
		return os.Mkdir(name, 0o755)
	case e.mode&fs.ModeSymlink != 0:
		return os.Symlink(map[string]string{
			"links/to-file": "../large/0", "links/dangling": "nowhere", "links/absolute": "/etc/hostname", "links/up": "../../other",
		}[e.name], name)
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return file.Close()
}

// hashes returns what is in a directory: the mode, and the digest of the bytes or the
// target, by path.
func hashes(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(name string, walked fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := walked.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		content := ""
		switch {
		case below == ".":
			return nil // Who mounts it has given it a mode.
		case info.Mode().IsRegular():
			content, err = hashOf(name)
		case info.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(name)
		}
		found[below] = info.Mode().String() + " " + content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func hashOf(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// objectHashes returns the digests of the objects with a prefix, by what follows in the key.
func (w *world) objectHashes(t *testing.T, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, o := range w.sim.OSS().Objects("bucket-1") {
		name, ok := strings.CutPrefix(o.Key, prefix)
		if !ok {
			continue
		}
		data, err := w.sim.OSS().Read("bucket-1", o.Key)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		found[name] = hex.EncodeToString(sum[:])
	}
	return found
}

// TestContentComesBack restores theLoad, of all that file systems and
// buckets can hold, and holds that they are equal to what was backed up, which stays as it was.
func TestContentComesBack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it writes thousands of files of several GiB: run it without -short")
	}
	var room sync.Mutex // Side by side they would need several times the room.
	for _, test := range []struct {
		name, spec string
		method     method
	}{
		{"NAS without a client", nasSpec, agentless},
		{"NAS on a node", nasSpec, onNode},
		{"OSS without a client", ossSpec, agentless},
		{"OSS on a node", ossSpec, onNode},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			room.Lock()
			t.Cleanup(room.Unlock)
			begun := time.Now()
			w := newNodeWorld(t, nodeOptions{config: map[string]string{"method": string(test.method)}})
			pv := volumeOf(t, "vol", test.spec)
			w.create(t, pv)
			w.claimed(t, pv)
			bucket := pv.Spec.CSI.VolumeAttributes["bucket"] != ""
			w.loaded(t, pv, theLoad().entries(bucket))
			contentIn := func(pv *corev1.PersistentVolume) map[string]string {
				if bucket && test.method == agentless { // Nobody has it mounted.
					return w.objectHashes(t, strings.Trim(pv.Spec.CSI.VolumeAttributes["path"], "/")+"/")
				}
				return hashes(t, w.files(t, pv, ""))
			}
			before := contentIn(pv)

			id, held := w.ordered(t, w.isSaved(t, pv), pv)
			if outcome := w.untilFilled(t, id, held); outcome.Err != "" {
				t.Fatal(outcome.Err)
			}
			restored := w.finished(t, id, held)
			if diff := gocmp.Diff(before, contentIn(restored)); diff != "" {
				t.Errorf("restored files (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(before, contentIn(pv)); diff != "" {
				t.Errorf("original files (-want +got):\n%s", diff)
			}
			t.Logf("%d files and directories of %d MiB in %s", len(before), theLoad().bytes>>20, time.Since(begun).Round(time.Millisecond))
		})
	}
}

// loaded puts entries into a volume. Into a bucket that is not mounted go objects.
func (w *nodeWorld) loaded(t *testing.T, pv *corev1.PersistentVolume, all []entry) {
	t.Helper()
	if pv.Spec.CSI.VolumeAttributes["bucket"] == "" || w.config["method"] == string(onNode) {
		plantAll(t, w.files(t, pv, ""), all)
		w.files(t, pv, "") // What is mounted of a bucket is taken to it.
		return
	}
	content := contentOf(all)
	for i, e := range all {
		key := path.Join(pv.Spec.CSI.VolumeAttributes["path"], e.name)[1:]
		if e.mode&fs.ModeSymlink != 0 {
			continue
		}
		if e.mode.IsDir() {
			key += "/"
		}
		data, err := io.ReadAll(content(i))
		if err == nil {
			err = w.sim.OSS().Put("bucket-1", key, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
