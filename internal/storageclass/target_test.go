// SPDX-License-Identifier: Apache-2.0

package storageclass_test

import (
	"cmp"
	"context"
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// fakeCluster has ConfigMaps and StorageClasses.
type fakeCluster struct {
	configMaps []corev1.ConfigMap
	classes    []*storagev1.StorageClass
	// err is returned for the class "unread".
	err error
	// zones are those of the nodes, unless they cannot be read.
	zones    []string
	zonesErr error
}

func (c *fakeCluster) ConfigMaps(_ context.Context, label string) ([]corev1.ConfigMap, error) {
	var found []corev1.ConfigMap
	for _, configMap := range c.configMaps {
		if _, ok := configMap.Labels[label]; ok {
			found = append(found, configMap)
		}
	}
	return found, nil
}

func (c *fakeCluster) StorageClass(_ context.Context, name string) (*storagev1.StorageClass, error) {
	if name == "unread" {
		return nil, c.err
	}
	for _, class := range c.classes {
		if class.Name == name {
			return class, nil
		}
	}
	return nil, apierrors.NewNotFound(storagev1.Resource("storageclasses"), name)
}

func (c *fakeCluster) Zones(context.Context) ([]string, error) { return c.zones, c.zonesErr }

func class(name, provisioner string, parameters map[string]string) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: name},
		Provisioner: provisioner,
		Parameters:  parameters,
	}
}

// upstream returns the ConfigMap velero/upstream of Velero's own action.
func upstream(data map[string]string) corev1.ConfigMap {
	return corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "velero",
			Name:      "upstream",
			Labels: map[string]string{
				settings.LabelPluginConfig:       "true",
				"velero.io/change-storage-class": "RestoreItemAction",
			},
		},
		Data: data,
	}
}

func TestDiskTarget(t *testing.T) {
	t.Parallel()
	errDown := errors.New("the API server is down")
	errForbidden := apierrors.NewForbidden(storagev1.Resource("storageclasses"), "unread", errors.New("no rule"))
	immediate := class("immediate", volume.DriverDisk, map[string]string{"type": "cloud_auto"})
	immediate.VolumeBindingMode = new(storagev1.VolumeBindingImmediate)
	classes := []*storagev1.StorageClass{
		class("essd", volume.DriverDisk, map[string]string{"type": "cloud_essd", "performanceLevel": "PL1"}),
		class("auto", volume.DriverDisk, map[string]string{"type": "cloud_auto"}),
		class("broken", volume.DriverDisk, map[string]string{"type": "cloud_essd", "performanceLevel": "PL9"}),
		immediate,
		class("nas", volume.DriverNAS, nil),
		class("shared", volume.DriverDisk, map[string]string{"type": "cloud_essd,cloud_ssd", "multiAttach": "true"}),
		class("ssd-shared", volume.DriverDisk, map[string]string{"type": "cloud_ssd", "multiAttach": "true"}),
		class("alicloud-disk-topology-alltype", volume.DriverDisk, map[string]string{"type": "cloud_auto,cloud_essd"}),
	}
	essd := diskspec.Target{StorageClass: "essd", Types: []volume.DiskType{{Category: "cloud_essd", PerformanceLevel: "PL1"}}, MultiAttach: new(bool)}
	shared := diskspec.Target{StorageClass: "shared", Types: essd.Types, MultiAttach: new(true)}
	auto := diskspec.Target{StorageClass: "auto", Types: []volume.DiskType{{Category: "cloud_auto"}}, MultiAttach: new(bool)}
	largeESSD, largeAuto := essd, auto
	largeESSD.SizeGiB, largeAuto.SizeGiB = 40, 40
	ssd := diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd"}
	cases := map[string]struct {
		configMaps []corev1.ConfigMap
		claim      diskspec.Claim
		had        diskspec.Spec
		zones      []string
		zonesErr   error
		// unread is the error for the class of that name, errDown unless it is set.
		unread  error
		want    diskspec.Target
		wantErr string
		// wantIs is in the error too.
		wantIs error
	}{
		"nothing is asked without settings": {
			claim: ssd,
		},
		"nothing is asked where no rule holds": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"gp2": "essd"}), upstream(map[string]string{"gp2": "essd"})},
			claim:      ssd,
		},
		"the class of the rule and its capacity": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {class: essd, capacity: 40Gi}"})},
			claim:      ssd,
			want:       largeESSD,
		},
		"the class that the console's name means": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "alicloud-disk"})},
			claim:      ssd,
			want: diskspec.Target{
				StorageClass: "alicloud-disk-topology-alltype",
				Types:        []volume.DiskType{{Category: "cloud_auto"}, {Category: "cloud_essd", PerformanceLevel: "PL1"}},
				MultiAttach:  new(bool),
			},
		},
		"a rule with a selector does not count": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{
				"rules": "- from: ssd\n  selector: {matchLabels: {a: b}}\n  to: {class: auto}",
				"ssd":   "essd",
			})},
			claim: ssd,
			want:  essd,
		},
		"the capacity of a rule without a class": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {capacity: 40Gi}"})},
			claim:      ssd,
			want:       diskspec.Target{SizeGiB: 40},
		},
		"the class of Velero's own action where no rule holds": {
			configMaps: []corev1.ConfigMap{upstream(map[string]string{"ssd": "auto"})},
			claim:      ssd,
			want:       auto,
		},
		"the class of Velero's own action with the capacity of a rule without a class": {
			configMaps: []corev1.ConfigMap{
				*configMap(map[string]string{"rules": "- from: ssd\n  to: {capacity: 40Gi}"}),
				upstream(map[string]string{"ssd": "auto"}),
			},
			claim: ssd,
			want:  largeAuto,
		},
		"the class of a rule wins over that of Velero's own action": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "essd"}), upstream(map[string]string{"ssd": "auto"})},
			claim:      ssd,
			want:       essd,
		},
		"a claim without a class has no row": {
			configMaps: []corev1.ConfigMap{upstream(map[string]string{"ssd": "auto"})},
			claim:      diskspec.Claim{Namespace: "shop", Name: "data"},
		},
		"a class that is missing": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "gone"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/rules, key "ssd", line 1: converting the volume of the claim shop/data: storageclass gone not exists: ` +
				`create it in this cluster, or name another: storageclasses.storage.k8s.io "gone" not found`,
		},
		"the class that takes the place of a missing one": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"missingClasses": "disk: auto"})},
			claim:      ssd,
			want:       auto,
		},
		"a capacity that is too small, with the class for missing ones": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{
				"missingClasses": "disk: auto", "rules": "- from: ssd\n  to: {capacity: 10Gi}",
			})},
			claim: ssd,
			had:   diskspec.Spec{SizeGiB: 40},
			wantErr: `ConfigMap velero/rules, key "rules", line 2: converting the volume of the claim shop/data: ` +
				`a volume does not become smaller than it was: capacity 10Gi is asked for and 40Gi were backed up`,
			wantIs: storageclass.ErrShrink,
		},
		"a class that is here is not replaced": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"missingClasses": "disk: auto"})},
			claim:      diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "essd"},
		},
		"the class for missing ones is not that for disks": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"missingClasses": "nas: nas"})},
			claim:      ssd,
		},
		"a class that cannot be looked for": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"missingClasses": "disk: auto"})},
			claim:      diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "unread"},
			wantErr:    "looking whether there is the StorageClass unread: the API server is down",
			wantIs:     errDown,
		},
		"a class that may not be looked for is not missing": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{
				"missingClasses": "disk: auto", "rules": "- from: unread\n  to: {capacity: 40Gi}",
			})},
			claim:  diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "unread"},
			unread: errForbidden,
			want:   diskspec.Target{SizeGiB: 40},
		},
		"a disk of the size that it had": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {capacity: 40Gi}"})},
			claim:      ssd,
			had:        diskspec.Spec{SizeGiB: 40},
			want:       diskspec.Target{SizeGiB: 40},
		},
		"a disk that is to be smaller than it was": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {capacity: 10Gi}"})},
			claim:      ssd,
			had:        diskspec.Spec{SizeGiB: 40},
			wantErr: `ConfigMap velero/rules, key "rules", line 2: converting the volume of the claim shop/data: ` +
				`a volume does not become smaller than it was: capacity 10Gi is asked for and 40Gi were backed up`,
			wantIs: storageclass.ErrShrink,
		},
		"writers on several nodes of the disk that it was": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {accessModes: [ReadWriteMany]}"})},
			claim:      diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd", Block: true},
			wantErr: `ConfigMap velero/rules, key "rules", line 2: converting the volume of the claim shop/data: accessMode of PVC shop/data is ReadWriteMany: ` +
				storageclass.ErrAccessMode.Error(),
			wantIs: storageclass.ErrAccessMode,
		},
		"writers on several nodes of the disk that they had": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {accessModes: [ReadWriteMany]}"})},
			claim:      diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd", Block: true},
			had:        diskspec.Spec{MultiAttach: true},
		},
		"writers on several nodes of a block device": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {class: shared, accessModes: [ReadWriteMany]}"})},
			claim:      diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "ssd", Block: true},
			want:       shared,
		},
		"writers on several nodes of a file system": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {class: shared, accessModes: [ReadWriteMany]}"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/rules, key "rules", line 2: converting the volume of the claim shop/data: accessMode of PVC shop/data is ReadWriteMany: ` +
				storageclass.ErrAccessMode.Error(),
			wantIs: storageclass.ErrAccessMode,
		},
		"readers on several nodes of a disk that is shared no more": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to: {class: ssd-shared, accessModes: [ReadOnlyMany]}"})},
			claim:      ssd,
			had:        diskspec.Spec{MultiAttach: true},
			wantErr: `ConfigMap velero/rules, key "rules", line 2: converting the volume of the claim shop/data: accessMode of PVC shop/data is ReadOnlyMany: ` +
				storageclass.ErrAccessMode.Error(),
			wantIs: storageclass.ErrAccessMode,
		},
		"a claim that the snapshot does not tell": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": `[{from: "", to: {class: essd}}]`})},
		},
		"disks that do not wait in a cluster of several zones": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "immediate"})},
			claim:      ssd,
			zones:      []string{"cn-hangzhou-h", "cn-hangzhou-k"},
			wantErr: `ConfigMap velero/rules, key "ssd", line 1: converting the volume of the claim shop/data: current cluster is multi-zoned ` +
				`[cn-hangzhou-h cn-hangzhou-k], and the volumeBindingMode of immediate is Immediate: ` +
				`name a class with WaitForFirstConsumer such as alicloud-disk-topology-alltype`,
			wantIs: storageclass.ErrMultiZoned,
		},
		"disks that do not wait in a cluster whose nodes cannot be read": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "immediate"})},
			claim:      ssd,
			zonesErr:   errForbidden,
			want:       diskspec.Target{StorageClass: "immediate", Types: auto.Types, MultiAttach: new(bool)},
		},
		"disks that do not wait, where Velero's own action names the class": {
			configMaps: []corev1.ConfigMap{upstream(map[string]string{"ssd": "immediate"})},
			claim:      ssd,
			zones:      []string{"cn-hangzhou-h", "cn-hangzhou-k"},
			want:       diskspec.Target{StorageClass: "immediate", Types: auto.Types, MultiAttach: new(bool)},
		},
		"disks that wait in a cluster of several zones": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "auto"})},
			claim:      ssd,
			zones:      []string{"cn-hangzhou-h", "cn-hangzhou-k"},
			want:       auto,
		},
		"readers on several nodes of a disk for one": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "[{from: ssd, to: {class: auto, accessModes: [ReadOnlyMany]}}]"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/rules, key "rules", line 1: converting the volume of the claim shop/data: accessMode of PVC shop/data is ReadOnlyMany: ` +
				storageclass.ErrAccessMode.Error(),
			wantIs: storageclass.ErrAccessMode,
		},
		"a class of file systems": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd\n  to:\n    class: nas"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/rules, key "rules", line 3: converting the volume of the claim shop/data: ` +
				`only support convert to storageclass with CSI diskplugin or nasplugin provisioner: ` +
				`the snapshot of a disk becomes a disk, and the provisioner of nas is nasplugin.csi.alibabacloud.com`,
			wantIs: storageclass.ErrProvisioner,
		},
		"upstream's row names a class of file systems": {
			configMaps: []corev1.ConfigMap{upstream(map[string]string{"ssd": "nas"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/upstream, key "ssd", line 1: converting the volume of the claim shop/data: ` +
				`only support convert to storageclass with CSI diskplugin or nasplugin provisioner: ` +
				`the snapshot of a disk becomes a disk, and the provisioner of nas is nasplugin.csi.alibabacloud.com`,
			wantIs: storageclass.ErrProvisioner,
		},
		"upstream knows nothing of the console's name": {
			configMaps: []corev1.ConfigMap{upstream(map[string]string{"ssd": "alicloud-disk"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/upstream, key "ssd", line 1: converting the volume of the claim shop/data: storageclass alicloud-disk not exists: ` +
				`create it in this cluster, or name another: storageclasses.storage.k8s.io "alicloud-disk" not found`,
		},
		"a class whose parameters the driver refuses": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "broken"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/rules, key "ssd", line 1: converting the volume of the claim shop/data: StorageClass broken: ` +
				`parameter performanceLevel: "PL9": allowed are PL0, PL1, PL2 and PL3, separated by commas`,
		},
		"a class that cannot be read": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"ssd": "unread"})},
			claim:      ssd,
			wantErr: `ConfigMap velero/rules, key "ssd", line 1: converting the volume of the claim shop/data: ` +
				`reading the StorageClass unread: the API server is down`,
			wantIs: errDown,
		},
		"settings with a mistake": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd"})},
			claim:      ssd,
			wantErr:    `ConfigMap velero/rules, key "rules", line 1: the key "to" is missing`,
		},
		"a mistake in the settings, of which the volume of no known claim has nothing": {
			configMaps: []corev1.ConfigMap{*configMap(map[string]string{"rules": "- from: ssd"})},
			wantErr:    `ConfigMap velero/rules, key "rules", line 1: the key "to" is missing`,
		},
		"two ConfigMaps of upstream's": {
			configMaps: []corev1.ConfigMap{upstream(nil), upstream(nil)},
			claim:      ssd,
			wantErr: "the ConfigMaps velero/upstream and velero/upstream have the label velero.io/change-storage-class " +
				"and hold equally: keep one of them",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unread := test.unread
			if unread == nil {
				unread = errDown
			}
			cluster := &fakeCluster{configMaps: test.configMaps, classes: classes, err: unread, zones: test.zones, zonesErr: test.zonesErr}
			targets := storageclass.NewTargets(settings.NewReader(cluster), cluster)
			got, err := targets.DiskTarget(t.Context(), &velerov1.Restore{}, test.claim, test.had)
			gotErr := ""
			if err != nil {
				gotErr = err.Error()
			}
			if diff := gocmp.Diff(test.wantErr, gotErr); diff != "" || test.wantIs != nil && !errors.Is(err, test.wantIs) {
				t.Errorf("error (-want +got), to be of %v:\n%s", test.wantIs, diff)
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTargetOf(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	iops := int64(5000)
	inZones := func(key string, zones ...string) corev1.TopologySelectorTerm {
		return corev1.TopologySelectorTerm{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{
			{Key: "example.com/rack", Values: []string{"1"}},
			{Key: key, Values: zones},
		}}
	}
	alltype := []volume.DiskType{{Category: "cloud_ssd"}, {Category: "cloud_efficiency"}}
	cases := map[string]struct {
		parameters map[string]string
		topologies []corev1.TopologySelectorTerm
		want       diskspec.Target
		wantErr    string
	}{
		"without parameters it is the driver's order of categories": {
			want: diskspec.Target{Types: alltype},
		},
		"available is the driver's order of categories": {
			parameters: map[string]string{"type": "available"},
			want:       diskspec.Target{Types: alltype},
		},
		"categories and levels keep their order, and levels are for cloud_essd alone": {
			parameters: map[string]string{"type": "cloud_auto,cloud_essd,cloud_ssd", "performanceLevel": "PL2,PL0"},
			want: diskspec.Target{Types: []volume.DiskType{
				{Category: "cloud_auto"},
				{Category: "cloud_essd", PerformanceLevel: "PL2"},
				{Category: "cloud_essd", PerformanceLevel: "PL0"},
				{Category: "cloud_ssd"},
			}},
		},
		"cloud_essd without a level is what ECS makes of it": {
			parameters: map[string]string{"type": "cloud_essd", "performanceLevel": ""},
			want:       diskspec.Target{Types: []volume.DiskType{{Category: "cloud_essd", PerformanceLevel: "PL1"}}},
		},
		"everything that a class can ask": {
			parameters: map[string]string{
				"type": "cloud_auto", "encrypted": "True", "kmsKeyId": "key", "multiAttach": "Enabled", "provisionedIops": "5000",
				"burstingEnabled": "1", "resourceGroupId": "rg-1", "zoneId": "cn-hangzhou-k,cn-hangzhou-h", "fsType": "xfs", "Type": "cloud",
			},
			want: diskspec.Target{
				Types: []volume.DiskType{{Category: "cloud_auto"}}, Encrypted: &yes, KMSKeyID: "key", MultiAttach: &yes, ProvisionedIOPS: &iops,
				Bursting: &yes, ResourceGroupID: "rg-1", Zones: []string{"cn-hangzhou-k", "cn-hangzhou-h"},
			},
		},
		"what does not mean yes to the driver means no": {
			parameters: map[string]string{"encrypted": "on", "multiAttach": "1", "burstingEnabled": "false"},
			want:       diskspec.Target{Types: alltype, Encrypted: &no, Bursting: &no},
		},
		"of the types of a shared disk only those that several nodes can attach": {
			parameters: map[string]string{"type": "cloud_ssd,cloud_auto,cloud_essd", "multiAttach": "true"},
			want: diskspec.Target{
				Types: []volume.DiskType{{Category: "cloud_auto"}, {Category: "cloud_essd", PerformanceLevel: "PL1"}}, MultiAttach: &yes,
			},
		},
		"no type that several nodes can attach makes no shared disk": {
			parameters: map[string]string{"type": "available", "multiAttach": "true"},
			want:       diskspec.Target{Types: alltype},
		},
		"a key without encryption is not asked, as the driver has it": {
			parameters: map[string]string{"kmsKeyId": "key", "encrypted": "false"},
			want:       diskspec.Target{Types: alltype, Encrypted: &no},
		},
		"the driver's other spelling of zoneId": {
			parameters: map[string]string{"zoneid": "cn-hangzhou-k"},
			want:       diskspec.Target{Types: alltype, Zones: []string{"cn-hangzhou-k"}},
		},
		"the zones of all allowed topologies": {
			topologies: []corev1.TopologySelectorTerm{
				inZones(volume.LabelDiskZone, "cn-hangzhou-h", "cn-hangzhou-k"), inZones(corev1.LabelTopologyZone, "cn-hangzhou-k", "cn-hangzhou-i"),
			},
			want: diskspec.Target{Types: alltype, Zones: []string{"cn-hangzhou-h", "cn-hangzhou-k", "cn-hangzhou-i"}},
		},
		"one topology without a zone allows all": {
			topologies: []corev1.TopologySelectorTerm{inZones(volume.LabelDiskZone, "cn-hangzhou-h"), {}},
			want:       diskspec.Target{Types: alltype},
		},
		"both keys in one topology must hold": {
			topologies: []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{
				{Key: volume.LabelDiskZone, Values: []string{"cn-hangzhou-h", "cn-hangzhou-k"}},
				{Key: corev1.LabelTopologyZone, Values: []string{"cn-hangzhou-k"}},
			}}},
			want: diskspec.Target{Types: alltype, Zones: []string{"cn-hangzhou-k"}},
		},
		"zoneId and the allowed topologies must both hold": {
			parameters: map[string]string{"zoneId": "cn-hangzhou-k,cn-hangzhou-h"},
			topologies: []corev1.TopologySelectorTerm{inZones(volume.LabelDiskZone, "cn-hangzhou-h", "cn-hangzhou-k", "cn-hangzhou-i")},
			want:       diskspec.Target{Types: alltype, Zones: []string{"cn-hangzhou-k", "cn-hangzhou-h"}},
		},
		"zoneId and the allowed topologies that exclude each other": {
			parameters: map[string]string{"zoneId": "cn-hangzhou-k"},
			topologies: []corev1.TopologySelectorTerm{inZones(volume.LabelDiskZone, "cn-hangzhou-h")},
			wantErr:    "StorageClass disk: parameter zoneId: none of the zones [cn-hangzhou-k] is in allowedTopologies [cn-hangzhou-h]",
		},
		"several mistakes": {
			parameters: map[string]string{"type": "cloud_essd, cloud_ssd", "provisionedIops": "-1", "zoneId": ""},
			wantErr: `StorageClass disk: parameter type: "cloud_essd, cloud_ssd": allowed are names separated by commas, without spaces` + "\n" +
				`parameter provisionedIops: "-1": allowed is a whole number from 0` + "\n" +
				`parameter zoneId: "": allowed are names separated by commas, without spaces`,
		},
		"an empty level": {
			parameters: map[string]string{"type": "cloud_essd", "performanceLevel": "PL1,"},
			wantErr:    `StorageClass disk: parameter performanceLevel: "PL1,": allowed are names separated by commas, without spaces`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := class("disk", volume.DriverDisk, test.parameters)
			disk.AllowedTopologies = test.topologies
			if test.wantErr == "" {
				test.want.StorageClass = "disk"
				test.want.MultiAttach = cmp.Or(test.want.MultiAttach, &no)
			}
			got, err := storageclass.TargetOf(disk)
			gotErr := ""
			if err != nil {
				gotErr = err.Error()
			}
			if diff := gocmp.Diff(test.wantErr, gotErr); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}
