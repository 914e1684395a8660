// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// sourceNAS and sourceOSS are what a file system is in.
func sourceNAS() map[string]any {
	return map[string]any{"csi": map[string]any{"driver": "nasplugin.csi.alibabacloud.com", "volumeHandle": "nas-1"}}
}

func sourceOSS() map[string]any {
	return map[string]any{"csi": map[string]any{"driver": "ossplugin.csi.alibabacloud.com", "volumeHandle": "oss-1"}}
}

// sourceDisk is a disk whose files were backed up.
func sourceDisk() map[string]any {
	return map[string]any{"csi": map[string]any{"driver": diskDriver, "volumeHandle": oldDisk}}
}

// files is a file system of 5 GiB that many Pods write to.
func files(source map[string]any, change ...func(*kept)) kept {
	k := kept{class: "files", modes: []any{writers}, size: "5Gi", source: source}
	for _, change := range change {
		change(&k)
	}
	return k
}

// pending does what the snapshotter does for a volume whose files are yet to be restored.
func pending(pv *unstructured.Unstructured) *unstructured.Unstructured {
	return withAnnotation(pv, volume.AnnotationPending, "new")
}

// withAnnotation returns object with one more annotation.
func withAnnotation(object *unstructured.Unstructured, key, value string) *unstructured.Unstructured {
	object = object.DeepCopy()
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	object.SetAnnotations(annotations)
	return object
}

// noted returns the target that storage-class-mapping has noted on pv.
func noted(t *testing.T, s *storage, pv *unstructured.Unstructured) storageclass.FileSystemTarget {
	t.Helper()
	typed := &corev1.PersistentVolume{}
	asObject(t, pv, typed)
	if typed.Annotations[volume.AnnotationTarget] == "" {
		t.Error("no target is noted on the volume")
	}
	target, err := s.targets.FileSystemTarget(t.Context(), s.restore, typed)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

const sharedNoMore = "Changed the access modes: the volume becomes a disk, which Pods on several nodes cannot share as they could before; " +
	"for that, convert it to alibabacloud-cnfs-nas"

func TestStorageOfFilledVolumes(t *testing.T) {
	t.Parallel()
	rwo := func(k *kept) { k.modes = []any{once} }
	inClass := func(class string) func(*kept) { return func(k *kept) { k.class = class } }
	ofSize := func(size string) func(*kept) { return func(k *kept) { k.size = size } }
	filesReplaced := "storageclass files not exists: another one takes its place"
	tests := []struct {
		name     string
		settings map[string]string
		backedUp kept
		// want is the volume, and with volumeName in place of the source its claim.
		want kept
		// wantClass is the class of which the new volume is provisioned, "" for a new directory.
		wantClass    string
		wantWarnings []string
	}{
		{
			name:     "without settings a file system whose class is not here stays what it was",
			backedUp: files(sourceNAS()), want: files(sourceNAS()),
		},
		{
			name:     "without settings a file system of a class that is here is provisioned anew",
			backedUp: files(sourceNAS(), inClass("alibabacloud-cnfs-nas")), want: files(sourceNAS(), inClass("alibabacloud-cnfs-nas")),
			wantClass: "alibabacloud-cnfs-nas",
		},
		{
			name:     "without settings the files of a disk come back on a disk that one node mounts",
			backedUp: files(sourceDisk(), inClass("essd")), want: files(sourceDisk(), inClass("essd"), rwo, ofSize("20Gi")),
			wantClass: "essd",
		},
		{
			name:     "a larger capacity is that of a new directory too",
			settings: map[string]string{"rules": "[{from: files, to: {capacity: 9Gi}}]"},
			backedUp: files(sourceNAS()), want: files(sourceNAS(), ofSize("9Gi")),
		},
		{
			name:     "NAS becomes a disk",
			settings: map[string]string{"files": "essd"},
			backedUp: files(sourceNAS()), want: files(sourceNAS(), inClass("essd"), rwo, ofSize("20Gi")),
			wantClass: "essd", wantWarnings: []string{sharedNoMore},
		},
		{
			name:     "NAS becomes a disk as the rule says",
			settings: map[string]string{"rules": "[{from: files, namespaces: [shop], to: {class: pl2, accessModes: [ReadWriteOncePod], capacity: 500Gi}}]"},
			backedUp: files(sourceNAS()),
			want: files(sourceNAS(), func(k *kept) {
				k.class, k.modes, k.size = "pl2", []any{"ReadWriteOncePod"}, "500Gi"
			}),
			wantClass: "pl2",
		},
		{
			name:     "NAS becomes a disk that several nodes read",
			settings: map[string]string{"files": "shared"},
			backedUp: files(sourceNAS(), func(k *kept) { k.modes = []any{readers} }),
			want: files(sourceNAS(), func(k *kept) {
				k.class, k.modes, k.size = "shared", []any{readers}, "20Gi"
			}),
			wantClass: "shared",
		},
		{
			name:     "OSS becomes NAS",
			settings: map[string]string{"files": "alibabacloud-cnfs-nas"},
			backedUp: files(sourceOSS()), want: files(sourceOSS(), inClass("alibabacloud-cnfs-nas")),
			wantClass: "alibabacloud-cnfs-nas",
		},
		{
			name:     "the files of a disk become NAS",
			settings: map[string]string{"rules": "[{from: files, to: {class: alibabacloud-cnfs-nas, accessModes: [ReadWriteMany]}}]"},
			backedUp: files(sourceDisk(), rwo), want: files(sourceDisk(), inClass("alibabacloud-cnfs-nas")),
			wantClass: "alibabacloud-cnfs-nas",
		},
		{
			name:     "a class in the old annotation moves to the field",
			settings: map[string]string{"files": "alibabacloud-cnfs-nas"},
			backedUp: files(sourceNAS(), func(k *kept) { k.legacy = true }), want: files(sourceNAS(), inClass("alibabacloud-cnfs-nas")),
			wantClass: "alibabacloud-cnfs-nas",
		},
		{
			name:     "a class takes the place of a missing one",
			settings: map[string]string{"missingClasses": "{nas: alibabacloud-cnfs-nas}"},
			backedUp: files(sourceNAS()), want: files(sourceNAS(), inClass("alibabacloud-cnfs-nas")),
			wantClass: "alibabacloud-cnfs-nas", wantWarnings: []string{filesReplaced},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings)
			backedUp := tt.backedUp.volume(oldDisk)
			got, err := s.restoreItem(t, bound(backedUp, tt.backedUp.size), pending(backedUp))
			if err != nil {
				t.Fatal(err)
			}
			target := noted(t, s, got)
			if target.Class != tt.wantClass {
				t.Errorf("the volume is provisioned by the class %q, want %q", target.Class, tt.wantClass)
			}
			want := withAnnotation(pending(tt.want.volume(oldDisk)), volume.AnnotationTarget, target.String())
			if diff := cmp.Diff(want.Object, got.Object); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
			claim := tt.backedUp.claim()
			if got, err = s.restoreItem(t, bound(claim, tt.backedUp.size), claim); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want.claim().Object, got.Object); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantWarnings, s.warnings()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheSnapshotterAsksBeforeAndAfterTheActions: the answer is the same, though the
// volume has another class by then, which a rule is about too.
func TestTheSnapshotterAsksBeforeAndAfterTheActions(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"files": "essd", "essd": "alibabacloud-cnfs-nas"})
	backedUp := files(sourceNAS()).volume(oldDisk)
	typed := &corev1.PersistentVolume{}
	asObject(t, pending(backedUp), typed)
	before, err := s.targets.FileSystemTarget(t.Context(), s.restore, typed)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := s.restoreItem(t, backedUp, pending(backedUp))
	if err != nil {
		t.Fatal(err)
	}
	after := noted(t, storageOn(newAPI(t)), restored)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("target (-before +after):\n%s", diff)
	}
}

// TestFilledVolumesWhereClassesMayNotBeRead: the rule holds, and nothing is noted that
// is not known.
func TestFilledVolumesWhereClassesMayNotBeRead(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(storagev1.Resource("storageclasses"), "", errors.New("no permission"))
	objects := append(classesHere(), configMapOf("storage-class-mapping", map[string]string{"files": "essd"}))
	s := storageOn(interceptor.NewClient(newAPI(t, objects...), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return forbidden
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if typeOf(list) == "StorageClassList" {
				return forbidden
			}
			return c.List(ctx, list, options...)
		},
	}))
	backedUp := files(sourceNAS())
	got, err := s.restoreItem(t, backedUp.volume(oldDisk), pending(backedUp.volume(oldDisk)))
	if err != nil {
		t.Fatal(err)
	}
	want := pending(files(sourceNAS(), func(k *kept) { k.class = "essd" }).volume(oldDisk))
	if diff := cmp.Diff(want.Object, got.Object); diff != "" {
		t.Errorf("volume (-want +got):\n%s", diff)
	}
	pv := &corev1.PersistentVolume{}
	asObject(t, backedUp.volume(oldDisk), pv)
	if _, err := s.targets.FileSystemTarget(t.Context(), s.restore, pv); !apierrors.IsForbidden(err) {
		t.Errorf("the snapshotter is told %v, want that the classes may not be read", err)
	}
}

// TestFilledVolumesAfterVelerosOwnMapping are of the class that it gave.
func TestFilledVolumesAfterVelerosOwnMapping(t *testing.T) {
	t.Parallel()
	upstream := configMapOf("storage-class-mapping", map[string]string{"files": "essd"})
	upstream.Name = "upstream"
	upstream.Labels = map[string]string{"velero.io/plugin-config": "", "velero.io/change-storage-class": "RestoreItemAction"}
	s := newStorage(t, nil, upstream)
	backedUp := files(sourceNAS())
	byVelero := files(sourceNAS(), func(k *kept) { k.class = "essd" })
	want := files(sourceNAS(), func(k *kept) { k.class, k.modes, k.size = "essd", []any{once}, "20Gi" })
	got, err := s.restoreItem(t, backedUp.volume(oldDisk), pending(byVelero.volume(oldDisk)))
	if err != nil {
		t.Fatal(err)
	}
	target := noted(t, s, got)
	if !target.ByRule || target.Class != "essd" {
		t.Errorf("the volume is provisioned as %s", target.String())
	}
	if diff := cmp.Diff(withAnnotation(pending(want.volume(oldDisk)), volume.AnnotationTarget, target.String()).Object, got.Object); diff != "" {
		t.Errorf("volume (-want +got):\n%s", diff)
	}
	if got, err = s.restoreItem(t, bound(backedUp.claim(), "5Gi"), byVelero.claim()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.claim().Object, got.Object); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
}

// TestAVolumeThatWasBackedUpWhileItWasFilled is none that is filled, unless this
// restore fills it.
func TestAVolumeThatWasBackedUpWhileItWasFilled(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"files": "essd"})
	backedUp := withAnnotation(files(sourceNAS()).volume(oldDisk), volume.AnnotationPending, "old")
	_, err := s.restoreItem(t, backedUp, backedUp)
	if !errors.Is(err, storageclass.ErrProvisioner) {
		t.Errorf("error %v, want that of one that is restored as it was", err)
	}
	got, err := newStorage(t, map[string]string{"files": "essd"}).restoreItem(t, backedUp, pending(backedUp))
	if err != nil {
		t.Fatal(err)
	}
	if target := noted(t, s, got); target.Class != "essd" {
		t.Errorf("the volume is provisioned by the class %q", target.Class)
	}
}

func TestFilledVolumesThatAreRefused(t *testing.T) {
	t.Parallel()
	const converting = `ConfigMap velero/storage-class-mapping, key "rules", line 1: converting the volume of the claim shop/data: `
	tests := []struct {
		name, to, want string
	}{
		{name: "to another cloud's class", to: "{class: gp2}", want: "only support convert to storageclass with CSI diskplugin or nasplugin provisioner: the provisioner of gp2 is ebs.csi.aws.com"},
		{name: "to a directory that others have", to: "{class: oss}", want: "StorageClass oss: the volumes of this class are one directory: name a class with the parameter volumeAs: subpath"},
		{name: "to a smaller one", to: "{class: essd, capacity: 4Gi}", want: "a volume does not become smaller than it was: capacity 4Gi is asked for and 5Gi were backed up"},
		{name: "to writers on several nodes of a disk", to: "{class: shared, accessModes: [ReadWriteMany]}", want: "accessMode of PVC shop/data is ReadWriteMany: " + storageclass.ErrAccessMode.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, map[string]string{"rules": "[{from: files, to: " + tt.to + "}]"})
			backedUp, claim := files(sourceNAS()).volume(oldDisk), files(sourceNAS()).claim()
			_, err := s.restoreItem(t, backedUp, pending(backedUp))
			if diff := cmp.Diff(converting+tt.want, text(err)); diff != "" {
				t.Errorf("error for the volume (-want +got):\n%s", diff)
			}
			_, err = s.restoreItem(t, bound(claim, "5Gi"), claim)
			if diff := cmp.Diff(converting+tt.want, text(err)); diff != "" {
				t.Errorf("error for the claim (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAClaimIsRefusedWithItsFileSystem: the snapshotter finds out first.
func TestAClaimIsRefusedWithItsFileSystem(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"files": "gp2"})
	pv := &corev1.PersistentVolume{}
	asObject(t, files(sourceNAS()).volume(oldDisk), pv)
	_, refused := s.targets.FileSystemTarget(t.Context(), s.restore, pv)
	if !errors.Is(refused, storageclass.ErrProvisioner) {
		t.Fatalf("error %v", refused)
	}
	claim := files(sourceNAS()).claim()
	_, err := s.restoreItem(t, bound(claim, "5Gi"), claim)
	if diff := cmp.Diff(text(refused), text(err)); diff != "" {
		t.Errorf("error for the claim (-that of the volume +got):\n%s", diff)
	}
}

// TestAClaimFollowsTheFilledVolumeOfAnotherProcess: the one that planned the volume was
// killed, and the volume is still what it was but for what was noted.
func TestAClaimFollowsTheFilledVolumeOfAnotherProcess(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, class string
		had, want   kept
	}{
		{name: "onto a disk that one node mounts", class: "essd", had: files(sourceNAS()), want: files(sourceNAS(), func(k *kept) {
			k.class, k.modes, k.size = "essd", []any{once}, "20Gi"
		})},
		{name: "onto a disk that several nodes read", class: "shared", had: files(sourceNAS(), func(k *kept) { k.modes = []any{readers} }), want: files(sourceNAS(), func(k *kept) {
			k.class, k.modes, k.size = "shared", []any{readers}, "20Gi"
		})},
		{name: "into a file system", class: "alibabacloud-cnfs-nas", had: files(sourceDisk()), want: files(sourceDisk(), func(k *kept) {
			k.class = "alibabacloud-cnfs-nas"
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"files": tt.class}
			backedUp := tt.had.volume(oldDisk)
			planned, err := newStorage(t, settings).restoreItem(t, backedUp, pending(backedUp))
			if err != nil {
				t.Fatal(err)
			}
			here := &corev1.PersistentVolume{}
			asObject(t, planned, here)
			here.Labels = map[string]string{"velero.io/restore-name": "restore-1"}
			claim := tt.had.claim()
			got, err := newStorage(t, settings, here).restoreItem(t, bound(claim, tt.had.size), claim)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want.claim().Object, got.Object); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlexVolumesThatAreFilled: whether flexvolume-to-csi has run makes no difference.
func TestFlexVolumesThatAreFilled(t *testing.T) {
	t.Parallel()
	flex := map[string]any{"flexVolume": map[string]any{"driver": "alicloud/nas", "options": map[string]any{"server": "nas.example"}}}
	backedUp := files(flex, func(k *kept) { k.class = "alibabacloud-cnfs-nas" })
	for name, item := range map[string]kept{
		"before flexvolume-to-csi": backedUp,
		"after flexvolume-to-csi":  files(sourceNAS(), func(k *kept) { k.class = "alibabacloud-cnfs-nas" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, nil)
			got, err := s.restoreItem(t, backedUp.volume(oldDisk), pending(item.volume(oldDisk)))
			if err != nil {
				t.Fatal(err)
			}
			if target := noted(t, s, got); target.Class != "alibabacloud-cnfs-nas" {
				t.Errorf("the volume is provisioned by the class %q", target.Class)
			}
		})
	}
}
