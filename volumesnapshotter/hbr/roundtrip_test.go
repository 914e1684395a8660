// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// treeIn returns what is in a directory: mode and bytes, or target, by path.
func treeIn(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		var content []byte
		switch mode := info.Mode(); {
		case mode&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			found[name] = mode.String() + " " + target
			return err
		case mode.IsRegular():
			content, err = os.ReadFile(path)
		}
		found[name] = info.Mode().String() + " " + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// plant makes a tree of a few hundred files with all that file systems allow.
func plant(t *testing.T, root string) {
	t.Helper()
	write := func(name, content string, mode fs.FileMode) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		n := strconv.Itoa(i)
		write(filepath.Join("many", strconv.Itoa(i%17), "file-"+n), strings.Repeat(n, i), 0o644)
	}
	write("deep/"+strings.Repeat("d/", 60)+"file", "deep", 0o644)
	for i, name := range []string{" leading", "trailing ", "new\nline", "öäü-数据", "*?[x]", "-rf", `back\slash`, "quote'\"", "\xff\xfe", strings.Repeat("n", 255)} {
		write(filepath.Join("odd", name), "odd "+strconv.Itoa(i), 0o640)
	}
	for mode, name := range map[fs.FileMode]string{0o000: "none", 0o400: "read", 0o755: "run", 0o755 | fs.ModeSetuid: "setuid", 0o666: "all"} {
		write(filepath.Join("modes", name), name, mode)
	}
	for name, target := range map[string]string{"to-file": "many/0/file-0", "broken": "nowhere", "absolute": "/etc/hostname", "up": "../other"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "empty/inner"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "empty"), 0o711); err != nil {
		t.Fatal(err)
	}
}

func TestANASVolumeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	directory := filepath.Join(w.root(t, "fs1"), "app")
	plant(t, directory)
	want := treeIn(t, directory)
	pv := nasDirectory("nas-1", "/app")

	snapshot := w.backedUp(t, pv)
	w.wantInventory(t, 0, 1, 0) // The plan went with its job.
	if err := os.WriteFile(filepath.Join(directory, "later"), []byte("later"), 0o600); err != nil {
		t.Fatal(err)
	}
	original := treeIn(t, directory)
	got := w.restored(t, snapshot, pv)

	attributes := got.Spec.CSI.VolumeAttributes
	if diff := gocmp.Diff(want, treeIn(t, filepath.Join(w.root(t, "fs1"), attributes["path"]))); diff != "" {
		t.Errorf("restored tree (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(original, treeIn(t, directory)); diff != "" {
		t.Errorf("original tree (-want +got):\n%s", diff)
	}
	mark, ok := strings.CutPrefix(attributes["path"], "/app-restore-")
	if !ok || len(mark) != markLength {
		t.Errorf("the restored volume is in %s", attributes["path"])
	}
	wanted := pv.DeepCopy()
	wanted.ResourceVersion, wanted.Annotations = got.ResourceVersion, got.Annotations
	wanted.Spec.CSI.VolumeAttributes["path"] = "/app-restore-" + mark
	if diff := gocmp.Diff(wanted, got); diff != "" || len(got.Annotations) > 0 {
		t.Errorf("restored volume with annotations %v (-want +got):\n%s", got.Annotations, diff)
	}
	w.wantInventory(t, 0, 1, 0)
	if diff := gocmp.Diff([]string{theVault}, w.vaultNames()); diff != "" {
		t.Errorf("vaults (-want +got):\n%s", diff)
	}
}

// objects returns the keys and the bytes of a bucket.
func (w *world) objects(t *testing.T, bucket string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, o := range w.sim.OSS().Objects(bucket) {
		data, err := w.sim.OSS().Read(bucket, o.Key)
		if err != nil {
			t.Fatal(err)
		}
		found[o.Key] = string(data)
	}
	return found
}

func TestAnOSSVolumeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path, prefix string
		config       map[string]string
		bucket       string
		want         string // What the new prefix begins with.
	}{
		"a directory of a bucket": {path: "/app/data", prefix: "app/data/", bucket: "bucket-1", want: "app/data-restore-"},
		"a whole bucket":          {path: "/", bucket: "bucket-1", want: "restore-"},
		"another bucket": {
			path: "/app", prefix: "app/", config: map[string]string{"restoreBucket": "bucket-2"}, bucket: "bucket-2", want: "app-restore-",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.config)
			content := map[string]string{"empty": "", "dir/": "", "ö ä&=+%2F": "odd", strings.Repeat("k", 200): "long"}
			for i := range 200 {
				content["many/"+strconv.Itoa(i)] = strings.Repeat("x", i)
			}
			for key, data := range content {
				if err := w.sim.OSS().Put("bucket-1", test.prefix+key, []byte(data)); err != nil {
					t.Fatal(err)
				}
			}
			before := w.objects(t, "bucket-1")
			pv := bucketDirectory("oss-1", test.path)
			got := w.restored(t, w.backedUp(t, pv), pv)

			attributes := got.Spec.CSI.VolumeAttributes
			prefix := strings.TrimPrefix(attributes["path"], "/") + "/"
			if !strings.HasPrefix(prefix, test.want) || attributes["bucket"] != test.bucket {
				t.Errorf("the restored volume is %v", attributes)
			}
			restored := map[string]string{}
			for key, data := range w.objects(t, test.bucket) {
				if name, ok := strings.CutPrefix(key, prefix); ok {
					restored[name] = data
				}
			}
			if diff := gocmp.Diff(content, restored); diff != "" {
				t.Errorf("restored objects (-want +got):\n%s", diff)
			}
			after := w.objects(t, "bucket-1")
			maps.DeleteFunc(after, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
			if diff := gocmp.Diff(before, after); diff != "" {
				t.Errorf("original objects (-want +got):\n%s", diff)
			}
			if got.Spec.CSI.NodePublishSecretRef.Name != "oss-secret" || attributes["otherOpts"] != "-o allow_other" {
				t.Errorf("the restored volume lost its options: %v", got.Spec.CSI)
			}
		})
	}
}

func TestTenRestoresTakeTheTimeOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	volumes := map[string]*corev1.PersistentVolume{}
	for i := range 10 {
		name := "nas-" + strconv.Itoa(i)
		w.fill(t, name)
		pv := nasDirectory(name, "/"+name)
		w.create(t, pv)
		volumes[w.backUp(t, w.Snapshotter, pv)] = pv
	}
	w.wantInventory(t, 10, 0, 10)
	w.sim.HBR().Advance(time.Minute)
	begun := w.time.Now()
	ids := map[string]*corev1.PersistentVolume{}
	for snapshot, pv := range volumes {
		ids[w.beginRestore(t, snapshot, pv)] = pv
	}
	w.wantInventory(t, 10, 10, 10)
	for id, pv := range ids {
		for !w.progress(t, id, pv).Completed {
			if err := w.time.Sleep(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	if took := w.time.Now().Sub(begun); took > 90*time.Second {
		t.Errorf("ten restores of a minute each took %s", took)
	}
}
