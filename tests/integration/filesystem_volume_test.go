// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// fileOptions say what is not as with every volume.
type fileOptions struct {
	// class is by default one that this cluster does not have.
	class string
	// mounted has a Pod mount it.
	mounted bool
	// node is the only one that has it.
	node string
	// block makes it a raw device.
	block bool
	// empty leaves it without files.
	empty bool
	mode  corev1.PersistentVolumeAccessMode
	// claimless leaves it to somebody else to make the claim.
	claimless bool
}

// fileVolume is a claim with its PersistentVolume, and a Pod of the claim's name if one mounts it.
type fileVolume struct {
	bench *fileBench
	name  string
	pv    *corev1.PersistentVolume
	// files are those that it had when it was made.
	files map[string]string
}

// newFileVolume creates a volume with files, and its claim, and waits until that is bound and the Pod, if there is one, runs.
func (b *fileBench) newFileVolume(t *testing.T, name string, source corev1.PersistentVolumeSource, options fileOptions) *fileVolume {
	t.Helper()
	v := b.createFileVolume(t, name, source, options)
	v.waitReady(t, options)
	return v
}

// createFileVolume is newFileVolume, and does not wait.
func (b *fileBench) createFileVolume(t *testing.T, name string, source corev1.PersistentVolumeSource, options fileOptions) *fileVolume {
	t.Helper()
	v := &fileVolume{bench: b, name: name}
	class := cmp.Or(options.class, "of-another-cluster")
	modes := []corev1.PersistentVolumeAccessMode{cmp.Or(options.mode, corev1.ReadWriteOnce)}
	mode := volumeMode(volumeOptions{block: options.block})
	v.pv = &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: b.name + "-" + name},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: modes, Capacity: capacity(20), StorageClassName: class, VolumeMode: mode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{Namespace: b.name, Name: name},
			PersistentVolumeSource:        source, NodeAffinity: affinityOf(source, options.node),
		},
	}
	if !options.empty {
		b.fill(t, v.pv)
		v.files = b.filesOf(t, v.pv)
	}
	b.create(t, v.pv)
	if !options.claimless {
		b.create(t, &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: modes, Resources: corev1.VolumeResourceRequirements{Requests: capacity(20)},
				StorageClassName: &class, VolumeName: v.pv.Name, VolumeMode: mode,
			},
		})
	}
	if options.mounted {
		b.create(t, (&diskVolume{namespace: b.name, name: name}).pod(volumeOptions{}))
	}
	return v
}

// affinityOf is that of the volumes that have one: disks, and those of a node.
func affinityOf(source corev1.PersistentVolumeSource, node string) *corev1.VolumeNodeAffinity {
	key, value := corev1.LabelHostname, node
	if source.CSI != nil && source.CSI.Driver == diskDriver {
		key, value = diskZoneKey, zoneH
	}
	if value == "" {
		return nil
	}
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}},
	}}}}
}

// waitReady waits until the claim is bound and the Pod runs.
func (v *fileVolume) waitReady(t *testing.T, options fileOptions) {
	t.Helper()
	if !options.claimless {
		v.waitBound(t, v.bench.name)
	}
	if options.mounted {
		v.bench.waitRunning(t, v.bench.name, v.name)
	}
}

// waitBound waits until the claim in a namespace is bound, and returns its PersistentVolume.
func (v *fileVolume) waitBound(t *testing.T, namespace string) *corev1.PersistentVolume {
	t.Helper()
	return (&diskVolume{name: v.name}).waitBoundIn(t, v.bench.suite, namespace)
}

// waitRunning waits until a Pod runs.
func (s *suite) waitRunning(t *testing.T, namespace, name string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the Pod %s/%s to run", namespace, name), func(ctx context.Context) error {
		pod := &corev1.Pod{}
		if err := s.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("it is %s: %+v", pod.Status.Phase, pod.Status.Conditions)
		}
		return nil
	})
}

// wantFilesIn fails unless the claim in a namespace is bound to a volume that has the files, at another place than the
// original, which is as it was. It returns the PersistentVolume.
func (v *fileVolume) wantFilesIn(t *testing.T, namespace string) *corev1.PersistentVolume {
	t.Helper()
	pv := v.waitBound(t, namespace)
	if placeOf(pv) == placeOf(v.pv) {
		t.Errorf("the claim %s/%s has the place of the original, %s", namespace, v.name, placeOf(pv))
	}
	wantEqual(t, fmt.Sprintf("the files of the claim %s/%s at %s", namespace, v.name, placeOf(pv)), v.bench.filesOf(t, pv), v.files)
	wantEqual(t, "the original files of "+v.name, v.bench.filesOf(t, v.pv), v.files)
	return pv
}

// placeOf says where the files of a volume are.
func placeOf(pv *corev1.PersistentVolume) string {
	source := pv.Spec.PersistentVolumeSource
	switch {
	case source.NFS != nil:
		return source.NFS.Server + ":" + source.NFS.Path
	case source.Local != nil:
		return pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0] + ":" + source.Local.Path
	case source.CSI != nil && source.CSI.Driver == ossDriver:
		return source.CSI.VolumeAttributes["bucket"] + "/" + path.Join("/", source.CSI.VolumeAttributes["path"])
	case source.CSI != nil && source.CSI.Driver == nasDriver:
		return source.CSI.VolumeAttributes["server"] + ":" + path.Join("/", source.CSI.VolumeAttributes["path"])
	case source.CSI != nil:
		return source.CSI.Driver + ":" + source.CSI.VolumeHandle
	default:
		return fmt.Sprint(source)
	}
}

// The sources of volumes. What is below a path or a handle is the volume's own.

func onNAS(directory string) corev1.PersistentVolumeSource {
	return csiSource(nasDriver, directory, map[string]string{"server": nasServer, "path": "/" + directory})
}

func onCPFS(directory string) corev1.PersistentVolumeSource {
	return csiSource(nasDriver, directory, map[string]string{"server": cpfsServer, "path": "/share/" + directory, "mountProtocol": "cpfs-nfs"})
}

func onOSS(directory string) corev1.PersistentVolumeSource {
	return csiSource(ossDriver, directory, map[string]string{
		"bucket": fileBucket, "path": "/" + directory, "url": "oss-" + region + "-internal.aliyuncs.com",
	})
}

func onNFS(directory string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nfs.example.com", Path: "/export/" + directory}}
}

func onNode(directory string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: localRoot + "/" + directory}}
}

func csiSource(driver, handle string, attributes map[string]string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: handle, VolumeAttributes: attributes}}
}

func flexSource(driver string, options map[string]string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{Driver: driver, Options: options}}
}

// newDisk makes a disk of the bench's account that is attached.
func (b *fileBench) newDisk(t *testing.T) string {
	t.Helper()
	id, err := b.cloud.ECS().AddDisk(ecs.DiskConfig{Account: b.account, Zone: zoneH, Category: "cloud_essd", Size: 20, Instance: fileInstance})
	must(t, err)
	return id
}

// dirOf is the directory of this machine that has the files of a volume.
func (b *fileBench) dirOf(t *testing.T, pv *corev1.PersistentVolume) string {
	t.Helper()
	if pv.Spec.Local != nil {
		on := pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]
		dir, err := b.nodes.Files(on).Make(pv.Spec.Local.Path)
		must(t, err)
		return dir
	}
	content, err := b.nodes.Content(pv)
	must(t, err)
	return content.Dir
}

// fill writes files into a volume, of an OSS volume as objects.
func (b *fileBench) fill(t *testing.T, pv *corev1.PersistentVolume) {
	t.Helper()
	files := map[string]string{
		"orders.csv": "orders of " + pv.Name, "a/deep/er/and/deeper/path/of/files/x": "deep",
		"odd names/ü 漢字 %41 'q' \"d\".txt": "odd", "empty": "",
	}
	if source := pv.Spec.CSI; source != nil && source.Driver == ossDriver {
		for name, content := range files {
			key := path.Join(source.VolumeAttributes["path"], name)[1:]
			must(t, b.cloud.OSS().Put(fileBucket, key, []byte(content)))
		}
		return
	}
	dir := b.dirOf(t, pv)
	for name, content := range files {
		file := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(content), 0o640))
	}
	must(t, os.Mkdir(filepath.Join(dir, "empty directory"), 0o750))
	must(t, os.Symlink("orders.csv", filepath.Join(dir, "latest.csv")))
}

// filesOf returns what is in a volume, by name: of a file its permissions and content, of a symbolic link where it leads, of
// a directory its permissions.
func (b *fileBench) filesOf(t *testing.T, pv *corev1.PersistentVolume) map[string]string {
	t.Helper()
	dir := b.dirOf(t, pv)
	found := map[string]string{}
	must(t, filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content []byte
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			found[name] = "-> " + target
			return err
		case !entry.IsDir():
			content, err = os.ReadFile(file)
		}
		found[name] = info.Mode().String() + " " + string(content)
		return err
	}))
	return found
}

// empty deletes all files of a volume that is a directory of its own.
func (b *fileBench) empty(t *testing.T, pv *corev1.PersistentVolume) {
	t.Helper()
	dir := b.dirOf(t, pv)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		must(t, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
}
