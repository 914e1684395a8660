// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
)

// kept is what a volume or a claim says of storage.
type kept struct {
	class string
	modes []any
	size  any
	// legacy has the class in the annotation that came before the field, noField no class.
	legacy, noField bool
	block           bool
	// source is that of a volume: CSI by default.
	source map[string]any
	// attributes are those of a CSI volume.
	attributes map[string]any
	// provisioner is noted on a claim.
	provisioner string
	labels      map[string]any
	// snapshot is the data source of a claim.
	snapshot map[string]any
	// selected are the labels that a claim matches volumes by, and attributesClass its VolumeAttributesClass.
	selected        map[string]any
	attributesClass string
}

const (
	once     = "ReadWriteOnce"
	readers  = "ReadOnlyMany"
	writers  = "ReadWriteMany"
	oldDisk  = "d-old"
	newDisk  = "d-new"
	volumeOf = "pv-data"
)

// What is said of the class ssd, which is not in the cluster.
const (
	ssdMissing  = "storageclass ssd not exists: create it in this cluster, or name another for it in the settings of alibabacloud.com/storage-class-mapping"
	ssdReplaced = "storageclass ssd not exists: another one takes its place"
)

// keptWarning is said of a volume that no rule reaches.
const keptWarning = "Leaving the StorageClass as it is: the volume is restored as the one that it was, and nothing converts it"

// volume returns the PersistentVolume of the disk id as Velero hands it to actions.
func (k kept) volume(id string) *unstructured.Unstructured {
	csi := map[string]any{"driver": diskDriver, "volumeHandle": id, "fsType": "ext4"}
	if k.attributes != nil {
		csi["volumeAttributes"] = k.attributes
	}
	spec := map[string]any{
		"accessModes":      k.modes,
		"capacity":         map[string]any{"storage": k.size},
		"csi":              csi,
		"claimRef":         map[string]any{"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data"},
		"aFieldOfTomorrow": "stays",
	}
	if k.source != nil {
		delete(spec, "csi")
		maps.Copy(spec, k.source)
	}
	return k.object("PersistentVolume", map[string]any{"name": volumeOf}, spec)
}

// flexVolume returns the source of a disk of the FlexVolume driver.
func flexVolume(id string) map[string]any {
	return map[string]any{"flexVolume": map[string]any{"driver": "alicloud/disk", "options": map[string]any{"volumeId": id}}}
}

// claim returns the claim shop/data.
func (k kept) claim() *unstructured.Unstructured {
	spec := map[string]any{
		"accessModes":      k.modes,
		"resources":        map[string]any{"requests": map[string]any{"storage": k.size}},
		"volumeName":       volumeOf,
		"aFieldOfTomorrow": "stays",
	}
	if k.snapshot != nil {
		maps.Copy(spec, k.snapshot)
		delete(spec, "volumeName")
	}
	if k.selected != nil {
		spec["selector"] = map[string]any{"matchLabels": k.selected}
	}
	if k.attributesClass != "" {
		spec["volumeAttributesClassName"] = k.attributesClass
	}
	return k.object("PersistentVolumeClaim", map[string]any{"name": "data", "namespace": "shop"}, spec)
}

// csiSnapshot returns the data source that Velero gives a claim with a CSI snapshot,
// in one of the fields for it.
func csiSnapshot(field string) map[string]any {
	return map[string]any{field: map[string]any{"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "data"}}
}

func (k kept) object(kind string, metadata, spec map[string]any) *unstructured.Unstructured {
	annotations := map[string]any{"example.com/note": "stays"}
	switch {
	case k.noField:
	case k.legacy:
		annotations[corev1.BetaStorageClassAnnotation] = k.class
	default:
		spec["storageClassName"] = k.class
	}
	if k.provisioner != "" {
		annotations["volume.kubernetes.io/storage-provisioner"] = k.provisioner
	}
	if k.block {
		spec["volumeMode"] = "Block"
	}
	if k.labels != nil {
		metadata["labels"] = k.labels
	}
	metadata["annotations"] = annotations
	return (&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec,
	}}).DeepCopy()
}

// bound returns object as it was in the backup, with the size of its volume.
func bound(object *unstructured.Unstructured, size any) *unstructured.Unstructured {
	object = object.DeepCopy()
	object.Object["status"] = map[string]any{"phase": "Bound", "capacity": map[string]any{"storage": size}}
	return object
}

// ssd is a disk of 40 GiB of a class that is not here.
func ssd(change ...func(*kept)) kept {
	k := kept{class: "ssd", modes: []any{once}, size: "40Gi"}
	for _, change := range change {
		change(&k)
	}
	return k
}

func TestStorageOfDisksMadeOfSnapshots(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		settings map[string]string
		backedUp kept
		// want and wantClaim are what becomes of the volume and its claim: the same if the latter is nil.
		want      kept
		wantClaim *kept
	}{
		{name: "without settings a disk stays", backedUp: ssd(), want: ssd()},
		{
			name:     "a class is that of the rule",
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class = "essd" }),
		},
		{
			name:     "a class in the old annotation moves to the field",
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(func(k *kept) { k.legacy = true }), want: ssd(func(k *kept) { k.class = "essd" }),
		},
		{
			name:     "a rule for another class does not hold",
			settings: map[string]string{"gp2": "essd"},
			backedUp: ssd(), want: ssd(),
		},
		{
			name:     "a rule by the labels of the claim does not reach the disk, and so not the claim",
			settings: map[string]string{"rules": "[{from: ssd, selector: {matchLabels: {tier: db}}, to: {class: essd}}]"},
			backedUp: ssd(func(k *kept) { k.labels = map[string]any{"tier": "db"} }),
			want:     ssd(func(k *kept) { k.labels = map[string]any{"tier": "db"} }),
		},
		{
			name:     "rules are about the namespace that was backed up",
			settings: map[string]string{"rules": "[{from: ssd, namespaces: [shop], names: [data], to: {class: essd, capacity: 60Gi}}]"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class, k.size = "essd", "60Gi" }),
		},
		{
			name:     "a disk of less than 20 GiB has become one of 20",
			backedUp: ssd(func(k *kept) { k.size = "5Gi" }), want: ssd(func(k *kept) { k.size = "20Gi" }),
		},
		{
			name:     "a size may be written in any notation",
			backedUp: ssd(func(k *kept) { k.size = "5368709120" }), want: ssd(func(k *kept) { k.size = "20Gi" }),
		},
		{
			name:     "a size may be a number",
			backedUp: ssd(func(k *kept) { k.size = int64(20_000_000_000) }), want: ssd(func(k *kept) { k.size = "20Gi" }),
		},
		{
			name:     "a size may have an exponent",
			backedUp: ssd(func(k *kept) { k.size = "20e9" }), want: ssd(func(k *kept) { k.size = "20Gi" }),
		},
		{
			name:     "a size may have a fraction",
			backedUp: ssd(func(k *kept) { k.size = float64(1.5e9) }), want: ssd(func(k *kept) { k.size = "20Gi" }),
		},
		{
			name:     "exactly 20 GiB stay as they are written",
			backedUp: ssd(func(k *kept) { k.size = "20480Mi" }), want: ssd(func(k *kept) { k.size = "20480Mi" }),
		},
		{
			name:     "a performance level has its own least size",
			settings: map[string]string{"ssd": "pl2"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class, k.size = "pl2", "461Gi" }),
		},
		{
			name:     "many writers become one",
			backedUp: ssd(func(k *kept) { k.modes = []any{once, writers} }), want: ssd(),
		},
		{
			name:     "many readers become one writer",
			backedUp: ssd(func(k *kept) { k.modes = []any{readers} }), want: ssd(),
		},
		{
			name:     "a class with multi-attach keeps readers, and the driver is told",
			settings: map[string]string{"ssd": "shared"},
			backedUp: ssd(func(k *kept) { k.modes = []any{readers} }),
			want: ssd(func(k *kept) {
				k.class, k.modes, k.attributes = "shared", []any{readers}, map[string]any{"multiAttach": "true"}
			}),
			wantClaim: new(ssd(func(k *kept) { k.class, k.modes = "shared", []any{readers} })),
		},
		{
			name:     "a class with multi-attach keeps writers of block devices",
			settings: map[string]string{"ssd": "shared"},
			backedUp: ssd(func(k *kept) { k.block, k.modes = true, []any{writers} }),
			want: ssd(func(k *kept) {
				k.block, k.class, k.modes, k.attributes = true, "shared", []any{writers}, map[string]any{"multiAttach": "true"}
			}),
			wantClaim: new(ssd(func(k *kept) { k.block, k.class, k.modes = true, "shared", []any{writers} })),
		},
		{
			name:     "a class with multi-attach does not keep writers of file systems",
			settings: map[string]string{"ssd": "shared"},
			backedUp: ssd(func(k *kept) { k.modes = []any{writers} }),
			want: ssd(func(k *kept) {
				k.class, k.attributes = "shared", map[string]any{"multiAttach": "true"}
			}),
			wantClaim: new(ssd(func(k *kept) { k.class = "shared" })),
		},
		{
			name:     "a disk that was attached to several nodes is attached to one where its class does not say so",
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(func(k *kept) { k.modes, k.attributes = []any{readers}, map[string]any{"multiAttach": "true"} }),
			want:     ssd(func(k *kept) { k.class, k.attributes = "essd", map[string]any{"multiAttach": "false"} }),
		},
		{
			name:     "a disk that was attached to several nodes still is",
			backedUp: ssd(func(k *kept) { k.modes, k.attributes = []any{readers}, map[string]any{"multiAttach": "enabled"} }),
			want:     ssd(func(k *kept) { k.modes, k.attributes = []any{readers}, map[string]any{"multiAttach": "enabled"} }),
		},
		{
			name:     "access modes are those of the rule",
			settings: map[string]string{"rules": "[{from: ssd, to: {accessModes: [ReadWriteOncePod]}}]"},
			backedUp: ssd(func(k *kept) { k.modes = []any{writers} }), want: ssd(func(k *kept) { k.modes = []any{"ReadWriteOncePod"} }),
		},
		{
			name:     "another class takes the place of a missing one if the settings say so",
			settings: map[string]string{"missingClasses": "{disk: alicloud-disk}"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class = "alicloud-disk-topology-alltype" }),
		},
		{
			name:     "a class that is here is not replaced",
			settings: map[string]string{"missingClasses": "{disk: alicloud-disk}"},
			backedUp: ssd(func(k *kept) { k.class = "essd" }), want: ssd(func(k *kept) { k.class = "essd" }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings)
			backedUp := tt.backedUp.volume(oldDisk)
			got, err := s.restoreItem(t, bound(backedUp, tt.backedUp.size), tt.backedUp.volume(newDisk))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want.volume(newDisk).Object, got.Object); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
			wantClaim := tt.want
			if tt.wantClaim != nil {
				wantClaim = *tt.wantClaim
			}
			claim := tt.backedUp.claim()
			got, err = s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantClaim.claim().Object, got.Object); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
			var wantWarnings []string
			switch {
			case tt.backedUp.class != "ssd":
			case tt.want.class == "ssd":
				wantWarnings = []string{ssdMissing}
			case tt.settings["missingClasses"] != "":
				wantWarnings = []string{ssdReplaced}
			}
			if diff := cmp.Diff(wantWarnings, s.warnings()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStorageOfFlexVolumesMadeOfSnapshots(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"ssd": "shared"})
	old := ssd(func(k *kept) { k.modes, k.source = []any{readers}, flexVolume(oldDisk) })
	// Whether flexvolume-to-csi has run makes no difference.
	for name, item := range map[string]kept{
		"before flexvolume-to-csi": ssd(func(k *kept) { k.modes, k.source = []any{readers}, flexVolume(newDisk) }),
		"after flexvolume-to-csi":  ssd(func(k *kept) { k.modes = []any{readers} }),
	} {
		got, err := s.restoreItem(t, old.volume(oldDisk), item.volume(newDisk))
		if err != nil {
			t.Fatal(err)
		}
		item.class, item.modes = "shared", []any{once}
		if diff := cmp.Diff(item.volume(newDisk).Object, got.Object); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestStorageOfReattachedVolumes(t *testing.T) {
	t.Parallel()
	nas := map[string]any{"csi": map[string]any{"driver": "nasplugin.csi.alibabacloud.com", "volumeHandle": "nas"}}
	bucket := map[string]any{"csi": map[string]any{"driver": "ossplugin.csi.alibabacloud.com", "volumeHandle": "oss"}}
	tests := []struct {
		name         string
		settings     map[string]string
		here         []client.Object
		backedUp     kept
		want         kept
		wantClaim    *kept
		wantWarnings []string
	}{
		{name: "a small disk stays small", backedUp: ssd(func(k *kept) { k.size = "5Gi" }), want: ssd(func(k *kept) { k.size = "5Gi" })},
		{
			name:     "a disk is mounted by one node",
			backedUp: ssd(func(k *kept) { k.modes = []any{writers} }), want: ssd(),
		},
		{
			name:     "a disk that is attached to several nodes still is",
			backedUp: ssd(func(k *kept) { k.modes, k.attributes = []any{readers}, map[string]any{"multiAttach": "true"} }),
			want:     ssd(func(k *kept) { k.modes, k.attributes = []any{readers}, map[string]any{"multiAttach": "true"} }),
		},
		{
			name:     "nothing converts a disk",
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(), want: ssd(), wantWarnings: []string{keptWarning},
		},
		{
			name:     "a larger capacity is asked for on the claim alone",
			settings: map[string]string{"rules": "[{from: ssd, to: {capacity: 60Gi}}]"},
			backedUp: ssd(), want: ssd(), wantClaim: new(ssd(func(k *kept) { k.size = "60Gi" })),
		},
		{
			name:     "access modes are those of the rule",
			settings: map[string]string{"rules": "[{from: ssd, to: {accessModes: [ReadWriteOncePod]}}]"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.modes = []any{"ReadWriteOncePod"} }),
		},
		{
			name:     "many Pods write to a file system",
			settings: map[string]string{"ssd": "alibabacloud-cnfs-nas"},
			backedUp: ssd(func(k *kept) { k.modes, k.source = []any{writers}, nas }), want: ssd(func(k *kept) { k.modes, k.source = []any{writers}, nas }),
			wantWarnings: []string{keptWarning},
		},
		{
			name:     "nothing converts a bucket",
			settings: map[string]string{"ssd": "oss"},
			backedUp: ssd(func(k *kept) { k.modes, k.source = []any{writers}, bucket }), want: ssd(func(k *kept) { k.modes, k.source = []any{writers}, bucket }),
			wantWarnings: []string{keptWarning},
		},
		{
			name:     "a missing class is not replaced",
			settings: map[string]string{"missingClasses": "{disk: essd}"},
			backedUp: ssd(), want: ssd(),
		},
		{
			name:     "a class that is missing converts nothing either",
			settings: map[string]string{"ssd": "gone"},
			backedUp: ssd(), want: ssd(), wantWarnings: []string{keptWarning},
		},
		{
			name:     "a disk that is there need not wait for its Pod",
			settings: map[string]string{"ssd": "immediate"},
			here:     []client.Object{nodeIn("cn-hangzhou-h"), nodeIn("cn-hangzhou-k")},
			backedUp: ssd(), want: ssd(), wantWarnings: []string{keptWarning},
		},
		{
			name:     "a class in the old annotation stays there where no rule is about it",
			settings: map[string]string{"missingClasses": "{disk: essd}"},
			backedUp: ssd(func(k *kept) { k.legacy = true }), want: ssd(func(k *kept) { k.legacy = true }),
		},
		{
			name:     "a volume of the class that a rule asks for is what it is to be",
			settings: map[string]string{"essd": "essd"},
			backedUp: ssd(func(k *kept) { k.class = "essd" }), want: ssd(func(k *kept) { k.class = "essd" }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings, tt.here...)
			volume := tt.backedUp.volume(oldDisk)
			got, err := s.restoreItem(t, bound(volume, tt.backedUp.size), volume)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want.volume(oldDisk).Object, got.Object); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
			wantClaim := tt.want
			if tt.wantClaim != nil {
				wantClaim = *tt.wantClaim
			}
			claim := tt.backedUp.claim()
			got, err = s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantClaim.claim().Object, got.Object); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantWarnings, s.warnings()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStorageOfDisksOfUnknownClaims: the snapshot did not tell of which claim it is.
func TestStorageOfDisksOfUnknownClaims(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		settings     map[string]string
		backedUp     kept
		want         kept
		wantClaim    *kept
		wantErr      string
		wantWarnings []string
	}{
		{
			name:     "nothing converts a disk that was made, and a larger capacity is asked for on the claim",
			settings: map[string]string{"rules": "[{from: ssd, to: {class: essd, capacity: 60Gi}}]"},
			backedUp: ssd(), want: ssd(), wantClaim: new(ssd(func(k *kept) { k.size = "60Gi" })),
			wantWarnings: []string{keptWarning},
		},
		{
			name:     "a class with multi-attach does not make it one that several nodes attach",
			settings: map[string]string{"ssd": "shared"},
			backedUp: ssd(func(k *kept) { k.modes = []any{readers} }), want: ssd(),
			wantWarnings: []string{keptWarning},
		},
		{
			name:     "it has 20 GiB at least",
			backedUp: ssd(func(k *kept) { k.size = "5Gi" }), want: ssd(func(k *kept) { k.size = "20Gi" }),
		},
		{
			name:     "a disk that was made comes with its volume, and its claim is refused another kind of storage",
			settings: map[string]string{"ssd": "oss"},
			backedUp: ssd(), want: ssd(),
			wantErr: `ConfigMap velero/storage-class-mapping, key "ssd", line 1: converting the volume of the claim shop/data: ` +
				"only support convert to storageclass with CSI diskplugin or nasplugin provisioner: the volume is restored as the disk that it was, " +
				"and the provisioner of oss is ossplugin.csi.alibabacloud.com: back its data up with a file-system backup, or leave it out of the rule",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings)
			s.targets.KeepAsItWas(s.restore, newDisk)
			got, err := s.restoreItem(t, bound(tt.backedUp.volume(oldDisk), tt.backedUp.size), tt.backedUp.volume(newDisk))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want.volume(newDisk).Object, got.Object); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
			wantClaim := tt.want
			if tt.wantClaim != nil {
				wantClaim = *tt.wantClaim
			}
			claim := tt.backedUp.claim()
			got, err = s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			if diff := cmp.Diff(tt.wantErr, text(err)); diff != "" {
				t.Fatalf("error for the claim (-want +got):\n%s", diff)
			}
			if err == nil {
				if diff := cmp.Diff(wantClaim.claim().Object, got.Object); diff != "" {
					t.Errorf("claim (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(tt.wantWarnings, s.warnings()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStorageOfVolumesThatAreHere: Velero restores nothing over a PersistentVolume.
func TestStorageOfVolumesThatAreHere(t *testing.T) {
	t.Parallel()
	converted := ssd(func(k *kept) { k.class, k.size = "essd", "60Gi" })
	rules := map[string]string{"rules": "[{from: ssd, to: {class: essd, accessModes: [ReadWriteOncePod], capacity: 60Gi}}]"}
	everything := velerov1.RestoreSpec{}
	claimsAlone := velerov1.RestoreSpec{IncludedResources: []string{"persistentvolumeclaims"}}
	tests := []struct {
		name     string
		spec     velerov1.RestoreSpec
		settings map[string]string
		// here is the volume in the cluster, noVolume says that there is none.
		here     kept
		noVolume bool
		// volumeToo says that Velero hands the volume to the actions.
		volumeToo    bool
		backedUp     kept
		want         kept
		wantWarnings []string
	}{
		{
			name: "a restore after one that has converted the volume follows it", spec: everything, volumeToo: true,
			settings: rules, here: converted, backedUp: ssd(),
			want: ssd(func(k *kept) { k.class, k.size, k.modes = "essd", "60Gi", []any{"ReadWriteOncePod"} }),
		},
		{
			name: "so it does without the rules of the one before", spec: everything, volumeToo: true,
			here: converted, backedUp: ssd(), want: converted,
		},
		{
			name: "a restore of claims alone leaves them as their volumes are", spec: claimsAlone,
			settings: map[string]string{"rules": "[{from: ssd, to: {class: essd, capacity: 60Gi}}]"},
			here:     ssd(func(k *kept) { k.size = "5Gi" }), backedUp: ssd(func(k *kept) { k.size = "5Gi" }),
			want: ssd(func(k *kept) { k.size = "5Gi" }), wantWarnings: []string{keptWarning},
		},
		{
			name: "a claim restored alone gets the class that its volume has got", spec: claimsAlone,
			settings: rules, here: converted, backedUp: ssd(), want: converted,
		},
		{
			name: "so it does where PersistentVolumes are excluded", spec: velerov1.RestoreSpec{ExcludedResources: []string{"pv"}},
			settings: rules, here: converted, backedUp: ssd(), want: converted,
		},
		{
			name: "so it does where what is in no namespace is excluded", spec: velerov1.RestoreSpec{IncludeClusterResources: new(false)},
			settings: rules, here: converted, backedUp: ssd(), want: converted,
		},
		{
			name: "a claim restored alone whose volume is not here is provisioned", spec: claimsAlone,
			settings: rules, noVolume: true, backedUp: ssd(),
			want: ssd(func(k *kept) { k.class, k.size, k.modes = "essd", "60Gi", []any{"ReadWriteOncePod"} }),
		},
		{
			name: "a claim restored alone whose data comes from a CSI snapshot is provisioned", spec: claimsAlone,
			settings: rules, here: ssd(), backedUp: ssd(func(k *kept) { k.snapshot = csiSnapshot("dataSource") }),
			want: ssd(func(k *kept) {
				k.class, k.size, k.modes, k.snapshot = "essd", "60Gi", []any{"ReadWriteOncePod"}, csiSnapshot("dataSource")
			}),
		},
		{
			name:     "a claim whose volume is not restored because it is provisioned does not follow the one that is here",
			spec:     velerov1.RestoreSpec{IncludedResources: []string{"persistent*"}},
			settings: rules, here: ssd(), backedUp: ssd(),
			want: ssd(func(k *kept) { k.class, k.size, k.modes = "essd", "60Gi", []any{"ReadWriteOncePod"} }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var objects []client.Object
			if !tt.noVolume {
				here := &corev1.PersistentVolume{}
				asObject(t, tt.here.volume(newDisk), here)
				objects = append(objects, here)
			}
			s := newStorage(t, tt.settings, objects...)
			s.restore.Spec = tt.spec
			if tt.volumeToo {
				volume := tt.backedUp.volume(oldDisk)
				if _, err := s.restoreItem(t, bound(volume, tt.backedUp.size), volume); err != nil {
					t.Fatal(err)
				}
			}
			claim := tt.backedUp.claim()
			got, err := s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			if err != nil {
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

func TestStorageOfProvisionedClaims(t *testing.T) {
	t.Parallel()
	const shared = "Changed the access modes: the volume becomes a disk, which Pods on several nodes cannot share as they could before; " +
		"for that, convert it to alibabacloud-cnfs-nas"
	defaultClass := classHere("standard", diskDriver, map[string]string{"type": "cloud_essd_entry"})
	defaultClass.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
	newerDefault := classHere("newer", "nasplugin.csi.alibabacloud.com", nil)
	newerDefault.Annotations = defaultClass.Annotations
	newerDefault.CreationTimestamp = metav1.Unix(1_700_000_000, 0)
	tests := []struct {
		name         string
		settings     map[string]string
		here         []client.Object
		backedUp     kept
		want         kept
		wantWarnings []string
	}{
		{name: "a claim of a missing class stays", backedUp: ssd(), want: ssd(), wantWarnings: []string{ssdMissing}},
		{
			name:     "a small disk becomes one of 20 GiB",
			backedUp: kept{class: "essd", modes: []any{once}, size: "5G"}, want: kept{class: "essd", modes: []any{once}, size: "20Gi"},
		},
		{
			name:     "the least size is that of the only category",
			backedUp: kept{class: "pl2", modes: []any{once}, size: "100Gi"}, want: kept{class: "pl2", modes: []any{once}, size: "461Gi"},
		},
		{
			name:     "a category that is not known here may be the smaller one, wherever the class names it",
			backedUp: kept{class: "of-tomorrow", modes: []any{once}, size: "5Gi"}, want: kept{class: "of-tomorrow", modes: []any{once}, size: "20Gi"},
		},
		{
			name:     "a class that the driver refuses tells no category",
			backedUp: kept{class: "broken", modes: []any{once}, size: "5Gi"}, want: kept{class: "broken", modes: []any{once}, size: "20Gi"},
		},
		{
			name:     "a disk of FlexVolume is a disk",
			backedUp: kept{class: "flex", modes: []any{writers}, size: "5Gi", provisioner: "alicloud/disk"}, want: kept{class: "flex", modes: []any{once}, size: "20Gi", provisioner: "alicloud/disk"},
		},
		{
			name:     "file systems keep size and modes",
			backedUp: kept{class: "alibabacloud-cnfs-nas", modes: []any{writers}, size: "5Gi"}, want: kept{class: "alibabacloud-cnfs-nas", modes: []any{writers}, size: "5Gi"},
		},
		{
			name:     "another cloud's class is left alone",
			backedUp: kept{class: "gp2", modes: []any{writers}, size: "5Gi"}, want: kept{class: "gp2", modes: []any{writers}, size: "5Gi"},
		},
		{
			name:     "the class that it will have decides",
			settings: map[string]string{"gp2": "essd"},
			backedUp: kept{class: "gp2", modes: []any{readers}, size: "5Gi"}, want: kept{class: "essd", modes: []any{once}, size: "20Gi"},
			wantWarnings: []string{shared},
		},
		{
			name:     "a capacity that is just the least size is written as in the rule",
			settings: map[string]string{"rules": `[{from: gp2, to: {class: essd, capacity: "21474836480"}}]`},
			backedUp: kept{class: "gp2", modes: []any{once}, size: "5Gi"}, want: kept{class: "essd", modes: []any{once}, size: "21474836480"},
		},
		{
			name:     "a file system becomes a disk",
			settings: map[string]string{"rules": "[{from: nas, to: {class: essd, convertToAccessModes: [ReadWriteOnce], capacity: 30Gi}}]"},
			backedUp: kept{class: "nas", modes: []any{writers}, size: "20Gi", provisioner: "nasplugin.csi.alibabacloud.com"},
			want:     kept{class: "essd", modes: []any{once}, size: "30Gi", provisioner: "nasplugin.csi.alibabacloud.com"},
		},
		{
			name:     "a disk becomes a file system",
			settings: map[string]string{"rules": "[{from: ssd, to: {class: alibabacloud-cnfs-nas, accessModes: [ReadWriteMany]}}]"},
			backedUp: ssd(), want: kept{class: "alibabacloud-cnfs-nas", modes: []any{writers}, size: "40Gi"},
		},
		{
			name:     "a CSI snapshot of a disk becomes another disk",
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(func(k *kept) { k.provisioner, k.snapshot = diskDriver, csiSnapshot("dataSource") }),
			want:     ssd(func(k *kept) { k.class, k.provisioner, k.snapshot = "essd", diskDriver, csiSnapshot("dataSource") }),
		},
		{
			name:     "a disk becomes a bucket",
			settings: map[string]string{"ssd": "oss"},
			backedUp: ssd(), want: kept{class: "oss", modes: []any{once}, size: "40Gi"},
		},
		{
			name:     "a rule by labels holds",
			settings: map[string]string{"rules": "[{from: ssd, selector: {matchLabels: {tier: db}}, to: {class: essd}}]"},
			backedUp: ssd(func(k *kept) { k.labels = map[string]any{"tier": "db"} }),
			want:     ssd(func(k *kept) { k.class, k.labels = "essd", map[string]any{"tier": "db"} }),
		},
		{
			name:     "a claim without a class has rules of its own",
			settings: map[string]string{"rules": `[{from: "", to: {class: essd}}]`},
			backedUp: ssd(func(k *kept) { k.noField = true }), want: ssd(func(k *kept) { k.class = "essd" }),
		},
		{
			name:     "a claim that matched a volume by its labels matches none where it is provisioned",
			settings: map[string]string{"rules": `[{from: "", to: {class: essd}}]`},
			backedUp: ssd(func(k *kept) { k.class, k.selected = "", map[string]any{"alicloud-pvname": "pv-oss"} }),
			want:     ssd(func(k *kept) { k.class = "essd" }),
		},
		{
			name:     "it matches them still where no rule has it provisioned",
			backedUp: ssd(func(k *kept) { k.class, k.selected = "", map[string]any{"alicloud-pvname": "pv-oss"} }),
			want:     ssd(func(k *kept) { k.class, k.selected = "", map[string]any{"alicloud-pvname": "pv-oss"} }),
		},
		{
			name:     "the attributes of another cloud's driver are none of a disk",
			settings: map[string]string{"gp2": "essd"},
			backedUp: ssd(func(k *kept) { k.class, k.provisioner, k.attributesClass = "gp2", "ebs.csi.aws.com", "fast" }),
			want:     ssd(func(k *kept) { k.class, k.provisioner = "essd", "ebs.csi.aws.com" }),
		},
		{
			name:     "those of the same driver stay",
			settings: map[string]string{"pl2": "essd"},
			backedUp: ssd(func(k *kept) { k.class, k.provisioner, k.attributesClass = "pl2", diskDriver, "fast" }),
			want:     ssd(func(k *kept) { k.class, k.provisioner, k.attributesClass = "essd", diskDriver, "fast" }),
		},
		{
			name:     "a class in the old annotation moves to the field",
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(func(k *kept) { k.legacy = true }), want: ssd(func(k *kept) { k.class = "essd" }),
		},
		{
			name:     "a class in the old annotation decides",
			backedUp: kept{class: "essd", legacy: true, modes: []any{writers}, size: "5Gi"}, want: kept{class: "essd", legacy: true, modes: []any{once}, size: "20Gi"},
			wantWarnings: []string{shared},
		},
		{
			name:     "a claim that names no class gets the cluster's own",
			here:     []client.Object{defaultClass},
			backedUp: kept{noField: true, modes: []any{once}, size: "5Gi"}, want: kept{noField: true, modes: []any{once}, size: "20Gi"},
		},
		{
			name:     "of two such classes it gets the newer one",
			here:     []client.Object{defaultClass, newerDefault},
			backedUp: kept{noField: true, modes: []any{once}, size: "5Gi"}, want: kept{noField: true, modes: []any{once}, size: "5Gi"},
		},
		{
			name:     "a claim that wants no class gets none",
			here:     []client.Object{defaultClass},
			backedUp: kept{class: "", modes: []any{once}, size: "5Gi"}, want: kept{class: "", modes: []any{once}, size: "5Gi"},
		},
		{
			name:     "a disk takes the place of a missing class of disks",
			settings: map[string]string{"missingClasses": "{disk: essd, nas: alibabacloud-cnfs-nas}"},
			backedUp: ssd(func(k *kept) { k.modes, k.provisioner, k.size = []any{writers}, diskDriver, "5Gi" }),
			want:     ssd(func(k *kept) { k.class, k.provisioner, k.size = "essd", diskDriver, "20Gi" }),

			wantWarnings: []string{ssdReplaced},
		},
		{
			name:     "a file system takes the place of a missing class of file systems",
			settings: map[string]string{"missingClasses": "{disk: essd, nas: alibabacloud-cnfs-nas}"},
			backedUp: ssd(func(k *kept) { k.provisioner = "nasplugin.csi.alibabacloud.com" }),
			want:     ssd(func(k *kept) { k.class, k.provisioner = "alibabacloud-cnfs-nas", "nasplugin.csi.alibabacloud.com" }),

			wantWarnings: []string{ssdReplaced},
		},
		{
			name:     "a file system takes the place of a class that Pods shared",
			settings: map[string]string{"missingClasses": "{disk: essd, nas: alibabacloud-cnfs-nas}"},
			backedUp: ssd(func(k *kept) { k.modes = []any{writers} }),
			want:     ssd(func(k *kept) { k.class, k.modes = "alibabacloud-cnfs-nas", []any{writers} }),

			wantWarnings: []string{ssdReplaced},
		},
		{
			name:     "a disk takes the place of any other",
			settings: map[string]string{"missingClasses": "{disk: essd, nas: alibabacloud-cnfs-nas}"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class = "essd" }),
			wantWarnings: []string{ssdReplaced},
		},
		{
			name:     "nothing takes the place of a class of buckets",
			settings: map[string]string{"missingClasses": "{disk: essd, nas: alibabacloud-cnfs-nas}"},
			backedUp: ssd(func(k *kept) { k.provisioner = "ossplugin.csi.alibabacloud.com" }),
			want:     ssd(func(k *kept) { k.provisioner = "ossplugin.csi.alibabacloud.com" }),

			wantWarnings: []string{ssdMissing},
		},
		{
			name:     "a class of one zone may be one whose disks do not wait",
			settings: map[string]string{"ssd": "immediate"},
			here:     []client.Object{nodeIn("cn-hangzhou-h")},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class = "immediate" }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings, tt.here...)
			claim := tt.backedUp.claim()
			got, err := s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			if err != nil {
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

func TestStorageAfterVelerosOwnMapping(t *testing.T) {
	t.Parallel()
	upstream := configMapOf("storage-class-mapping", map[string]string{"ssd": "pl2"})
	upstream.Name = "upstream"
	upstream.Labels = map[string]string{"velero.io/plugin-config": "", "velero.io/change-storage-class": "RestoreItemAction"}
	byVelero := ssd(func(k *kept) { k.class = "pl2" })
	t.Run("a disk that is made of a snapshot is of the class that it gave", func(t *testing.T) {
		t.Parallel()
		s := newStorage(t, nil, upstream)
		want := ssd(func(k *kept) { k.class, k.size = "pl2", "461Gi" })
		got, err := s.restoreItem(t, ssd().volume(oldDisk), byVelero.volume(newDisk))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.volume(newDisk).Object, got.Object); diff != "" {
			t.Errorf("volume (-want +got):\n%s", diff)
		}
		if got, err = s.restoreItem(t, bound(ssd().claim(), "40Gi"), byVelero.claim()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.claim().Object, got.Object); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
	})
	t.Run("a claim that names its class in the old annotation, which it does not read, follows its disk", func(t *testing.T) {
		t.Parallel()
		s := newStorage(t, nil, upstream)
		want := ssd(func(k *kept) { k.class, k.size = "pl2", "461Gi" })
		if _, err := s.restoreItem(t, ssd().volume(oldDisk), byVelero.volume(newDisk)); err != nil {
			t.Fatal(err)
		}
		claim := ssd(func(k *kept) { k.legacy = true }).claim()
		got, err := s.restoreItem(t, bound(claim, "40Gi"), claim)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.claim().Object, got.Object); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
	})
	t.Run("a claim that is provisioned keeps the class that it gave, unless a rule names one", func(t *testing.T) {
		t.Parallel()
		got, err := newStorage(t, nil, upstream).restoreItem(t, bound(ssd().claim(), "40Gi"), byVelero.claim())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ssd(func(k *kept) { k.class, k.size = "pl2", "461Gi" }).claim().Object, got.Object); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		got, err = newStorage(t, map[string]string{"ssd": "essd"}, upstream).restoreItem(t, bound(ssd().claim(), "40Gi"), byVelero.claim())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ssd(func(k *kept) { k.class = "essd" }).claim().Object, got.Object); diff != "" {
			t.Errorf("claim with a rule (-want +got):\n%s", diff)
		}
	})
}

// TestAClaimOfTheDataMover keeps the label by which nothing is provisioned for it before Velero has restored its volume.
func TestAClaimOfTheDataMover(t *testing.T) {
	t.Parallel()
	const label = "velero.io/dynamic-pv-restore"
	backedUp := ssd(func(k *kept) { k.class, k.selected = "", map[string]any{"alicloud-pvname": "pv-disk"} })
	present := ssd(func(k *kept) {
		k.class, k.selected = "", map[string]any{"alicloud-pvname": "pv-disk", label: "shop.data.x7kq2"}
	})
	s := newStorage(t, map[string]string{"rules": `[{from: "", to: {class: essd}}]`})
	got, err := s.restoreItem(t, bound(backedUp.claim(), "40Gi"), present.claim())
	if err != nil {
		t.Fatal(err)
	}
	want := ssd(func(k *kept) { k.class, k.selected = "essd", map[string]any{label: "shop.data.x7kq2"} })
	if diff := cmp.Diff(want.claim().Object, got.Object); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
}

func TestConversionsThatAreRefused(t *testing.T) {
	t.Parallel()
	rule := func(to string) map[string]string { return map[string]string{"rules": "- from: ssd\n  to: " + to} }
	const (
		converting  = `ConfigMap velero/storage-class-mapping, key "rules", line 2: converting the volume of the claim shop/data: `
		provisioner = converting + "only support convert to storageclass with CSI diskplugin or nasplugin provisioner: "
		oneNode     = ": a disk of this class is mounted by one node at a time: ask for ReadWriteOnce, or name a class of file systems such as alibabacloud-cnfs-nas"
	)
	tests := []struct {
		name     string
		settings map[string]string
		// volume is the id of the disk that the volume is restored with, "" for a claim that is provisioned.
		volume   string
		backedUp kept
		here     []client.Object
		// want is the error for the claim and for the volume.
		want string
		is   error
	}{
		{
			name: "to a class that is missing", settings: rule("{class: gone}"), backedUp: ssd(),
			want: converting + `storageclass gone not exists: create it in this cluster, or name another: storageclasses.storage.k8s.io "gone" not found`,
			is:   storageclass.ErrMissing,
		},
		{
			name: "to another cloud's class", settings: rule("{class: gp2}"), backedUp: ssd(),
			want: provisioner + "the provisioner of gp2 is ebs.csi.aws.com", is: storageclass.ErrProvisioner,
		},
		{
			name: "to a class of FlexVolume", settings: rule("{class: flex}"), backedUp: ssd(),
			want: provisioner + "the provisioner of flex is alicloud/disk", is: storageclass.ErrProvisioner,
		},
		{
			name: "of a block device to a file system", settings: rule("{class: alibabacloud-cnfs-nas}"), backedUp: ssd(func(k *kept) { k.block = true }),
			want: provisioner + "a block device becomes a disk, and the provisioner of alibabacloud-cnfs-nas is nasplugin.csi.alibabacloud.com", is: storageclass.ErrProvisioner,
		},
		{
			name: "of a CSI snapshot to a file system", settings: rule("{class: alibabacloud-cnfs-nas}"),
			backedUp: ssd(func(k *kept) { k.provisioner, k.snapshot = diskDriver, csiSnapshot("dataSource") }),
			want: provisioner + "a CSI snapshot of diskplugin.csi.alibabacloud.com becomes a volume of it, and the provisioner of alibabacloud-cnfs-nas " +
				"is nasplugin.csi.alibabacloud.com", is: storageclass.ErrProvisioner,
		},
		{
			name: "of a CSI snapshot by reference to another cloud's disk", settings: rule("{class: essd}"),
			backedUp: ssd(func(k *kept) { k.provisioner, k.snapshot = "ebs.csi.aws.com", csiSnapshot("dataSourceRef") }),
			want: provisioner + "a CSI snapshot of ebs.csi.aws.com becomes a volume of it, and the provisioner of essd " +
				"is diskplugin.csi.alibabacloud.com", is: storageclass.ErrProvisioner,
		},
		{
			name: "to disks that do not wait in a cluster of several zones", settings: rule("{class: immediate}"), backedUp: ssd(),
			here: []client.Object{nodeIn("cn-hangzhou-h"), nodeIn("cn-hangzhou-k")},
			want: converting + "current cluster is multi-zoned [cn-hangzhou-h cn-hangzhou-k], and the volumeBindingMode of immediate is Immediate: " +
				"name a class with WaitForFirstConsumer such as alicloud-disk-topology-alltype",
			is: storageclass.ErrMultiZoned,
		},
		{
			name: "to a smaller volume", settings: rule("{capacity: 39Gi}"), backedUp: ssd(),
			want: converting + "a volume does not become smaller than it was: capacity 39Gi is asked for and 40Gi were backed up", is: storageclass.ErrShrink,
		},
		{
			name: "to writers on several nodes of a disk", settings: rule("{class: essd, accessModes: [ReadWriteMany]}"), backedUp: ssd(),
			want: converting + "accessMode of PVC shop/data is ReadWriteMany" + oneNode, is: storageclass.ErrAccessMode,
		},
		{
			name: "to readers on several nodes of a disk that is here", settings: rule("{accessModes: [ReadOnlyMany, ReadWriteOnce]}"),
			backedUp: ssd(), volume: oldDisk,
			want: converting + "accessMode of PVC shop/data is ReadOnlyMany, ReadWriteOnce" + oneNode, is: storageclass.ErrAccessMode,
		},
		{
			name: "to a class whose parameters the driver refuses", settings: rule("{class: broken}"), backedUp: ssd(),
			want: converting + `StorageClass broken: parameter performanceLevel: "PL9": allowed are PL0, PL1, PL2 and PL3, separated by commas`,
		},
		{
			name: "to a substitute that is missing", settings: map[string]string{"missingClasses": "disk: gone"}, backedUp: ssd(),
			want: `ConfigMap velero/storage-class-mapping, key "missingClasses", line 1: converting the volume of the claim shop/data: ` +
				`storageclass gone not exists: create it in this cluster, or name another: storageclasses.storage.k8s.io "gone" not found`,
			is: storageclass.ErrMissing,
		},
		{
			name: "of a snapshot to a file system", settings: rule("{class: alibabacloud-cnfs-nas}"), backedUp: ssd(), volume: newDisk,
			want: provisioner + "the snapshot of a disk becomes a disk, and the provisioner of alibabacloud-cnfs-nas is nasplugin.csi.alibabacloud.com",
			is:   storageclass.ErrProvisioner,
		},
		{
			name: "of a snapshot to readers on several nodes", settings: rule("{class: essd, accessModes: [ReadOnlyMany]}"), backedUp: ssd(), volume: newDisk,
			want: converting + "accessMode of PVC shop/data is ReadOnlyMany" + oneNode, is: storageclass.ErrAccessMode,
		},
		{
			name: "of a snapshot to writers of a file system on several nodes", settings: rule("{class: shared, accessModes: [ReadWriteMany]}"),
			backedUp: ssd(), volume: newDisk,
			want: converting + "accessMode of PVC shop/data is ReadWriteMany" + oneNode, is: storageclass.ErrAccessMode,
		},
		{
			name: "of a snapshot to a smaller disk", settings: rule("{capacity: 39Gi}"), backedUp: ssd(), volume: newDisk,
			want: converting + "a volume does not become smaller than it was: capacity 39Gi is asked for and 40Gi were backed up", is: storageclass.ErrShrink,
		},
		{
			name: "of a disk that is reattached to a file system", settings: rule("{class: alibabacloud-cnfs-nas}"), backedUp: ssd(), volume: oldDisk,
			want: provisioner + "the volume is restored as the disk that it was, and the provisioner of alibabacloud-cnfs-nas is nasplugin.csi.alibabacloud.com: " +
				"back its data up with a file-system backup, or leave it out of the rule",
			is: storageclass.ErrProvisioner,
		},
		{
			name: "of a disk that is reattached to a smaller one", settings: rule("{capacity: 39Gi}"), backedUp: ssd(), volume: oldDisk,
			want: converting + "a volume does not become smaller than it was: capacity 39Gi is asked for and 40Gi were backed up", is: storageclass.ErrShrink,
		},
		{
			name: "by settings with a mistake", settings: rule("{class: ESSD}"), backedUp: ssd(), volume: newDisk,
			want: `ConfigMap velero/storage-class-mapping, key "rules", line 2: "ESSD": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric ` +
				`characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is ` +
				`'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings, tt.here...)
			check := func(what string, err error) {
				t.Helper()
				if diff := cmp.Diff(tt.want, text(err)); diff != "" || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("error for the %s (-want +got), to be of %v:\n%s", what, tt.is, diff)
				}
			}
			if tt.volume != "" {
				_, err := s.restoreItem(t, tt.backedUp.volume(oldDisk), tt.backedUp.volume(tt.volume))
				check("volume", err)
			}
			claim := tt.backedUp.claim()
			_, err := s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			check("claim", err)
		})
	}
}

// TestAClaimIsRefusedWithItsDisk: the snapshotter finds out before a disk is made,
// and no PersistentVolume comes.
// TestAClaimIsNotRefusedWithTheVolumeOfAnother has a PersistentVolume of an earlier claim of
// the same name, which is Released, beside that of the claim.
func TestAClaimIsNotRefusedWithTheVolumeOfAnother(t *testing.T) {
	t.Parallel()
	earlier := func(backedUp kept, id string) *unstructured.Unstructured {
		pv := backedUp.volume(id)
		pv.SetName("pv-earlier")
		return pv
	}
	t.Run("a volume that is reattached", func(t *testing.T) {
		t.Parallel()
		s := newStorage(t, map[string]string{"ssd": "alibabacloud-cnfs-nas"})
		if _, err := s.restoreItem(t, earlier(ssd(), oldDisk), earlier(ssd(), oldDisk)); !errors.Is(err, storageclass.ErrProvisioner) {
			t.Fatalf("error %v", err)
		}
		got, err := s.restoreItem(t, bound(ssd().claim(), "40Gi"), ssd().claim())
		if err != nil {
			t.Fatal(err)
		}
		want := ssd(func(k *kept) { k.class = "alibabacloud-cnfs-nas" }).claim()
		if diff := cmp.Diff(want.Object, got.Object); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
	})
	t.Run("a disk that was to be made of a snapshot", func(t *testing.T) {
		t.Parallel()
		s := newStorage(t, map[string]string{"rules": "- from: ssd\n  to: {class: essd, capacity: 50Gi}"})
		claim := diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd"}
		if _, err := s.targets.DiskTarget(t.Context(), s.restore, claim, diskspec.Spec{SizeGiB: 60}); !errors.Is(err, storageclass.ErrShrink) {
			t.Fatalf("error %v", err)
		}
		want := ssd(func(k *kept) { k.class, k.size = "essd", "50Gi" })
		if _, err := s.restoreItem(t, ssd().volume(oldDisk), ssd().volume(newDisk)); err != nil {
			t.Fatal(err)
		}
		got, err := s.restoreItem(t, bound(ssd().claim(), "40Gi"), ssd().claim())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.claim().Object, got.Object); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
	})
}

func TestAClaimIsRefusedWithItsDisk(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"ssd": "alibabacloud-cnfs-nas"})
	_, refused := s.targets.DiskTarget(t.Context(), s.restore, diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd"}, diskspec.Spec{})
	if !errors.Is(refused, storageclass.ErrProvisioner) {
		t.Fatalf("error %v", refused)
	}
	_, err := s.restoreItem(t, bound(ssd().claim(), "40Gi"), ssd().claim())
	if diff := cmp.Diff(text(refused), text(err)); diff != "" {
		t.Errorf("error for the claim (-that of the disk +got):\n%s", diff)
	}
	other := ssd().claim()
	other.SetName("logs")
	if _, err := s.restoreItem(t, bound(other, "40Gi"), other); err != nil {
		t.Errorf("a claim that is provisioned anew: %v", err)
	}
	// In another restore the settings may be right.
	s.restore = s.restore.DeepCopy()
	s.restore.UID = "another"
	if _, err := s.restoreItem(t, bound(ssd().claim(), "40Gi"), ssd().claim()); err != nil {
		t.Errorf("the claim in another restore: %v", err)
	}
}

// TestAClaimFollowsTheVolumeOfAnotherProcess: the one that planned the volume was killed.
func TestAClaimFollowsTheVolumeOfAnotherProcess(t *testing.T) {
	t.Parallel()
	disk := ssd(func(k *kept) { k.class, k.size = "essd", "60Gi" })
	for name, original := range map[string]string{"of the same name": "", "of another name": volumeOf} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := &corev1.PersistentVolume{}
			asObject(t, disk.volume(newDisk), here)
			here.Labels = map[string]string{"velero.io/restore-name": "restore-1"}
			if original != "" {
				here.Name = newDisk
				here.Annotations["velero.io/original-pv-name"] = original
			}
			foreign := here.DeepCopy()
			foreign.Name, foreign.Labels, foreign.Annotations = "foreign", nil, map[string]string{"velero.io/original-pv-name": volumeOf}
			s := newStorage(t, map[string]string{"rules": "[{from: ssd, to: {class: essd, capacity: 60Gi}}]"}, here, foreign)
			got, err := s.restoreItem(t, bound(ssd().claim(), "40Gi"), ssd().claim())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(disk.claim().Object, got.Object); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplatesOfClaims(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		settings map[string]string
		ordinals any
		backedUp []kept
		want     []kept
		wantErr  string
	}{
		{name: "a set without templates stays"},
		{
			name:     "each template is what its claims are to be",
			settings: map[string]string{"ssd": "essd"},
			backedUp: []kept{{class: "ssd", modes: []any{writers}, size: "5Gi"}, {class: "gp2", modes: []any{writers}, size: "5Gi"}, {class: "pl2", modes: []any{once}, size: "5Gi"}},
			want:     []kept{{class: "essd", modes: []any{once}, size: "20Gi"}, {class: "gp2", modes: []any{writers}, size: "5Gi"}, {class: "pl2", modes: []any{once}, size: "461Gi"}},
		},
		{
			name:     "a rule by names holds if it names the first claim",
			settings: map[string]string{"rules": "[{from: ssd, names: [t0-mysql-0, t1-mysql-1], to: {class: essd}}]"},
			backedUp: []kept{ssd(), ssd()},
			want:     []kept{ssd(func(k *kept) { k.class = "essd" }), ssd()},
		},
		{
			name:     "the first claim is the one that the set begins with",
			settings: map[string]string{"rules": "[{from: ssd, names: [t0-mysql-5], to: {class: essd}}]"},
			ordinals: map[string]any{"start": int64(5)},
			backedUp: []kept{ssd()},
			want:     []kept{ssd(func(k *kept) { k.class = "essd" })},
		},
		{
			name:     "the labels are those that the claims get",
			settings: map[string]string{"rules": "[{from: ssd, namespaces: [shop], selector: {matchLabels: {app: mysql, tier: db}}, to: {class: essd}}]"},
			backedUp: []kept{ssd(func(k *kept) { k.labels = map[string]any{"tier": "db"} }), ssd()},
			want:     []kept{ssd(func(k *kept) { k.class, k.labels = "essd", map[string]any{"tier": "db"} }), ssd()},
		},
		{
			name:     "what the class has no volumes of is not asked for",
			settings: map[string]string{"rules": `[{from: "", to: {class: essd}}, {from: ssd, to: {class: essd}}, {from: pl2, to: {class: essd}}]`},
			backedUp: []kept{
				ssd(func(k *kept) { k.class, k.selected = "", map[string]any{"alicloud-pvname": "pv-oss"} }),
				ssd(func(k *kept) { k.attributesClass = "fast" }),
				ssd(func(k *kept) { k.class, k.attributesClass = "pl2", "fast" }),
			},
			want: []kept{
				ssd(func(k *kept) { k.class = "essd" }), ssd(func(k *kept) { k.class = "essd" }),
				ssd(func(k *kept) { k.class, k.attributesClass = "essd", "fast" }),
			},
		},
		{
			name:     "a conversion that cannot be carried out is refused",
			settings: map[string]string{"ssd": "gone"},
			backedUp: []kept{ssd()},
			wantErr: `ConfigMap velero/storage-class-mapping, key "ssd", line 1: converting the volume of the claim shop/t0-mysql-0: ` +
				`storageclass gone not exists: create it in this cluster, or name another: storageclasses.storage.k8s.io "gone" not found`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t, tt.settings)
			set := statefulSet(tt.ordinals, tt.backedUp)
			got, err := s.restoreItem(t, bound(set, "1"), set)
			if diff := cmp.Diff(tt.wantErr, text(err)); diff != "" {
				t.Fatalf("error (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(statefulSet(tt.ordinals, tt.want).Object, got.Object); diff != "" {
				t.Errorf("StatefulSet (-want +got):\n%s", diff)
			}
			// One, whatever the number of templates.
			if warnings := s.warnings(); len(warnings) > 1 || len(warnings) == 1 && !strings.HasPrefix(warnings[0], "storageclass ssd not exists") {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

// TestATemplateOfAnotherAction is one that the backup does not have.
func TestATemplateOfAnotherAction(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"ssd": "essd"})
	set := statefulSet(nil, []kept{ssd()})
	got, err := s.restoreItem(t, statefulSet(nil, nil), set)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set.Object, got.Object); diff != "" {
		t.Errorf("StatefulSet (-want +got):\n%s", diff)
	}
}

// statefulSet returns the StatefulSet shop/mysql with templates t0, t1 and so on.
func statefulSet(ordinals any, templates []kept) *unstructured.Unstructured {
	spec := map[string]any{
		"replicas": int64(3), "serviceName": "mysql", "aFieldOfTomorrow": "stays",
		"selector": map[string]any{"matchLabels": map[string]any{"app": "mysql"}},
	}
	if ordinals != nil {
		spec["ordinals"] = ordinals
	}
	var list []any
	for i, template := range templates {
		claim := template.claim().Object
		delete(claim, "apiVersion")
		unstructured.RemoveNestedField(claim, "metadata", "namespace")
		unstructured.RemoveNestedField(claim, "spec", "volumeName")
		claim["metadata"].(map[string]any)["name"] = "t" + string(rune('0'+i)) //nolint:forcetypeassert // it is one
		list = append(list, claim)
	}
	if list != nil {
		spec["volumeClaimTemplates"] = list
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": map[string]any{"name": "mysql", "namespace": "shop"}, "spec": spec,
	}}
}

// TestStorageWhereTheClusterMayNotBeRead: checks are skipped, with one warning for
// each kind, and rules hold.
func TestStorageWhereTheClusterMayNotBeRead(t *testing.T) {
	t.Parallel()
	forbidden := func(resource string) error {
		return apierrors.NewForbidden(storagev1.Resource(resource), "", errors.New("no permission"))
	}
	const unread = "Velero's service account may not read all that the conversion of volumes depends on: that is not checked"
	tests := []struct {
		name string
		// forbid are the lists that may not be read.
		forbid       []client.ObjectList
		settings     map[string]string
		volume       string
		backedUp     kept
		want         kept
		wantClaim    *kept
		wantWarnings []string
	}{
		{
			name:     "classes, for a claim",
			forbid:   []client.ObjectList{&storagev1.StorageClassList{}},
			settings: map[string]string{"rules": "[{from: ssd, to: {class: gone, accessModes: [ReadWriteMany], capacity: 60Gi}}]"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class, k.modes, k.size = "gone", []any{writers}, "60Gi" }),
			wantWarnings: []string{unread},
		},
		{
			name:     "classes, for a claim without a rule",
			forbid:   []client.ObjectList{&storagev1.StorageClassList{}},
			backedUp: ssd(func(k *kept) { k.size = "5Gi" }), want: ssd(func(k *kept) { k.size = "5Gi" }),
			wantWarnings: []string{unread},
		},
		{
			name:     "classes, for a disk made of a snapshot",
			forbid:   []client.ObjectList{&storagev1.StorageClassList{}},
			settings: map[string]string{"rules": "[{from: ssd, to: {class: pl2, capacity: 60Gi}}]"}, volume: newDisk,
			backedUp: ssd(), want: ssd(func(k *kept) { k.class, k.size = "pl2", "60Gi" }),
			wantWarnings: []string{unread},
		},
		{
			name:     "classes, for a substitute",
			forbid:   []client.ObjectList{&storagev1.StorageClassList{}},
			settings: map[string]string{"missingClasses": "disk: essd"}, volume: newDisk,
			backedUp: ssd(), want: ssd(),
			wantWarnings: []string{unread},
		},
		{
			name:     "classes, for a volume that is reattached",
			forbid:   []client.ObjectList{&storagev1.StorageClassList{}},
			settings: map[string]string{"ssd": "alibabacloud-cnfs-nas"}, volume: oldDisk,
			backedUp: ssd(), want: ssd(),
			wantWarnings: []string{
				unread,
				keptWarning,
			},
		},
		{
			name:     "nodes",
			forbid:   []client.ObjectList{&corev1.NodeList{}},
			settings: map[string]string{"ssd": "immediate"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class = "immediate" }),
			wantWarnings: []string{unread},
		},
		{
			name:     "volumes",
			forbid:   []client.ObjectList{&corev1.PersistentVolumeList{}},
			settings: map[string]string{"ssd": "essd"},
			backedUp: ssd(), want: ssd(func(k *kept) { k.class = "essd" }),
			wantWarnings: []string{unread},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			objects := slices.Concat(classesHere(), []client.Object{nodeIn("cn-hangzhou-h"), nodeIn("cn-hangzhou-k")})
			if tt.settings != nil {
				objects = append(objects, configMapOf("storage-class-mapping", tt.settings))
			}
			s := storageOn(interceptor.NewClient(newAPI(t, objects...), interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					for _, kind := range tt.forbid {
						if cmp.Equal(typeOf(kind), typeOf(list)) {
							return forbidden(typeOf(list))
						}
					}
					return c.List(ctx, list, options...)
				},
			}))
			if tt.volume != "" {
				got, err := s.restoreItem(t, tt.backedUp.volume(oldDisk), tt.backedUp.volume(tt.volume))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want.volume(tt.volume).Object, got.Object); diff != "" {
					t.Errorf("volume (-want +got):\n%s", diff)
				}
			}
			claim := tt.backedUp.claim()
			got, err := s.restoreItem(t, bound(claim, tt.backedUp.size), claim)
			if err != nil {
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

// TestStorageReadsEachListOnce for many items.
func TestStorageReadsEachListOnce(t *testing.T) {
	t.Parallel()
	lists := make(map[string]int)
	objects := append(classesHere(), configMapOf("storage-class-mapping", map[string]string{"ssd": "immediate"}))
	s := storageOn(interceptor.NewClient(newAPI(t, objects...), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			t.Errorf("%s is read by itself", key)
			return errors.New("unexpected")
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			lists[typeOf(list)]++
			return c.List(ctx, list, options...)
		},
	}))
	for range 10 {
		for _, object := range []*unstructured.Unstructured{ssd().claim(), statefulSet(nil, []kept{ssd()})} {
			if _, err := s.restoreItem(t, object, object); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := map[string]int{"ConfigMapList": 1, "StorageClassList": 1, "NodeList": 1, "PersistentVolumeList": 1}
	if diff := cmp.Diff(want, lists); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

// TestStorageWhereTheClusterCannotBeReached: that may pass, and is no reason to refuse a claim for good.
func TestStorageWhereTheClusterCannotBeReached(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		down   client.ObjectList
		failed int
	}{
		{name: "without classes it is not known what becomes of any", down: &storagev1.StorageClassList{}, failed: 3},
		{name: "without volumes it is not known whether a claim has one", down: &corev1.PersistentVolumeList{}, failed: 1},
		{name: "without settings it is not known what is asked of any", down: &corev1.ConfigMapList{}, failed: 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			isDown := true
			objects := append(classesHere(), configMapOf("storage-class-mapping", map[string]string{"missingClasses": "disk: essd"}))
			s := storageOn(interceptor.NewClient(newAPI(t, objects...), interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					if isDown && typeOf(list) == typeOf(tt.down) {
						return apierrors.NewServiceUnavailable("down")
					}
					return c.List(ctx, list, options...)
				},
			}))
			items := []*unstructured.Unstructured{ssd().claim(), statefulSet(nil, []kept{ssd()}), ssd().volume(newDisk)}
			failed := 0
			for _, item := range items {
				fromBackup := item
				if item.GetKind() == "PersistentVolume" {
					fromBackup = ssd().volume(oldDisk)
				}
				if _, err := s.restoreItem(t, fromBackup, item); err != nil {
					failed++
					if !strings.Contains(err.Error(), "down") {
						t.Errorf("error %q", err)
					}
				}
			}
			if failed != tt.failed {
				t.Errorf("%d items have failed, want %d", failed, tt.failed)
			}
			isDown = false
			for _, item := range items[:2] {
				if _, err := s.restoreItem(t, item, item); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			}
		})
	}
}

// TestStorageWhereNodesCannotBeReached: a check that cannot be made costs nobody a volume.
func TestStorageWhereNodesCannotBeReached(t *testing.T) {
	t.Parallel()
	objects := append(classesHere(), configMapOf("storage-class-mapping", map[string]string{"ssd": "immediate"}))
	s := storageOn(interceptor.NewClient(newAPI(t, objects...), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if typeOf(list) == "NodeList" {
				return apierrors.NewServiceUnavailable("down")
			}
			return c.List(ctx, list, options...)
		},
	}))
	got, err := s.restoreItem(t, bound(ssd().claim(), "40Gi"), ssd().claim())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ssd(func(k *kept) { k.class = "immediate" }).claim().Object, got.Object); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
	want := []string{"The zones of the cluster could not be read: whether a StorageClass suits them is not checked"}
	if diff := cmp.Diff(want, s.warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestStorageOfWhatIsNone(t *testing.T) {
	t.Parallel()
	s := newStorage(t, map[string]string{"ssd": "essd"})
	t.Run("objects of other resources are left alone", func(t *testing.T) {
		t.Parallel()
		object := readObject(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}, spec: {storageClassName: ssd}}")
		got, err := s.restoreItem(t, object, object)
		if err != nil || got != object {
			t.Errorf("object %v, error %v", got, err)
		}
	})
	t.Run("objects that cannot be read as what they are called fail", func(t *testing.T) {
		t.Parallel()
		for _, object := range []*unstructured.Unstructured{
			ssd(func(k *kept) { k.size = "40GB" }).claim(),
			ssd(func(k *kept) { k.size = "40GB" }).volume(oldDisk),
			statefulSet(nil, []kept{ssd(func(k *kept) { k.size = "40GB" })}),
		} {
			if _, err := s.restoreItem(t, object, object); err == nil || !strings.HasPrefix(err.Error(), "reading the object to restore: ") {
				t.Errorf("%s: error %v", object.GetKind(), err)
			}
		}
	})
	t.Run("a template that is none is left to the API server", func(t *testing.T) {
		t.Parallel()
		withNone := func(template kept) *unstructured.Unstructured {
			set := statefulSet(nil, []kept{template})
			templates, _, _ := unstructured.NestedSlice(set.Object, "spec", "volumeClaimTemplates")
			_ = unstructured.SetNestedSlice(set.Object, append([]any{nil}, templates...), "spec", "volumeClaimTemplates")
			return set
		}
		object := withNone(ssd())
		got, err := s.restoreItem(t, object, object)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withNone(ssd(func(k *kept) { k.class = "essd" })).Object, got.Object); diff != "" {
			t.Errorf("StatefulSet (-want +got):\n%s", diff)
		}
	})
	t.Run("a claim that asks for no size is left to the API server", func(t *testing.T) {
		t.Parallel()
		object := ssd().claim()
		unstructured.RemoveNestedField(object.Object, "spec", "resources")
		want := object.DeepCopy()
		want.Object["spec"].(map[string]any)["storageClassName"] = "essd" //nolint:forcetypeassert // it is one
		got, err := s.restoreItem(t, object, object)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Object, got.Object); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
	})
	t.Run("a volume without a claim has the rules of its class", func(t *testing.T) {
		t.Parallel()
		object := ssd().volume(newDisk)
		unstructured.RemoveNestedField(object.Object, "spec", "claimRef")
		want := object.DeepCopy()
		want.Object["spec"].(map[string]any)["storageClassName"] = "essd" //nolint:forcetypeassert // it is one
		got, err := s.restoreItem(t, ssd().volume(oldDisk), object)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Object, got.Object); diff != "" {
			t.Errorf("volume (-want +got):\n%s", diff)
		}
	})
	t.Run("a volume without a claim that is refused is not called that of one", func(t *testing.T) {
		t.Parallel()
		s := newStorage(t, map[string]string{"ssd": "alibabacloud-cnfs-nas"})
		object := ssd().volume(oldDisk)
		unstructured.RemoveNestedField(object.Object, "spec", "claimRef")
		_, err := s.restoreItem(t, object, object)
		const want = `ConfigMap velero/storage-class-mapping, key "ssd", line 1: converting a volume without a claim: `
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want one that begins with %s", err, want)
		}
	})
}

func TestStorageActionsApplyTo(t *testing.T) {
	t.Parallel()
	s := newStorage(t, nil)
	for _, action := range []riav1.RestoreItemAction{s.mapping, s.modes, s.size} {
		got, err := action.AppliesTo()
		if err != nil {
			t.Fatal(err)
		}
		want := velero.ResourceSelector{IncludedResources: []string{"persistentvolumes", "persistentvolumeclaims", "statefulsets.apps"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("selector (-want +got):\n%s", diff)
		}
	}
}
