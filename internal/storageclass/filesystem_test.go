// SPDX-License-Identifier: Apache-2.0

package storageclass_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// volumeOf returns the PersistentVolume of the claim shop/data, of 40 GiB, that Pods on
// several nodes write to.
func volumeOf(class string, source corev1.PersistentVolumeSource) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{}
	pv.Name = "pv-data"
	pv.Spec = corev1.PersistentVolumeSpec{
		StorageClassName:       class,
		AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
		Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("40Gi")},
		ClaimRef:               &corev1.ObjectReference{Namespace: "shop", Name: "data"},
		PersistentVolumeSource: source,
	}
	return pv
}

func csi(driver string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: "v-old"}}
}

func flexVolume(driver string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{Driver: driver}}
}

// classesForFiles are those of the cluster that is restored to.
func classesForFiles() []*storagev1.StorageClass {
	immediate := class("immediate", volume.DriverDisk, map[string]string{"type": "cloud_auto"})
	immediate.VolumeBindingMode = new(storagev1.VolumeBindingImmediate)
	pl2 := class("pl2", volume.DriverDisk, map[string]string{"type": "cloud_essd", "performanceLevel": "PL2"})
	pl2.VolumeBindingMode = new(storagev1.VolumeBindingWaitForFirstConsumer)
	return []*storagev1.StorageClass{
		class("essd", volume.DriverDisk, map[string]string{"type": "cloud_essd"}),
		class("broken", volume.DriverDisk, map[string]string{"type": "cloud_essd", "performanceLevel": "PL9"}),
		class("shared", volume.DriverDisk, map[string]string{"type": "cloud_essd", "multiAttach": "true"}),
		immediate,
		pl2,
		class("nas", volume.DriverNAS, map[string]string{"volumeAs": "subpath"}),
		class("nas-by-default", volume.DriverNAS, nil),
		class("nas-sharepath", volume.DriverNAS, map[string]string{"volumeAs": "sharepath"}),
		class("oss", volume.DriverOSS, map[string]string{"volumeas": "subpath"}),
		class("oss-by-default", volume.DriverOSS, nil),
		class("flex", volume.FlexDriverNAS, nil),
		class("ceph", "ceph.example.com", nil),
		class("lvm", volume.DriverLocal, nil),
	}
}

// fileSystemTarget asks for the target of pv in the cluster.
func fileSystemTarget(t *testing.T, cluster *fakeCluster, pv *corev1.PersistentVolume) (storageclass.FileSystemTarget, error) {
	t.Helper()
	before := pv.DeepCopy()
	got, err := storageclass.NewTargets(settings.NewReader(cluster), cluster).FileSystemTarget(t.Context(), &velerov1.Restore{}, pv)
	if diff := cmp.Diff(before, pv); diff != "" {
		t.Errorf("the PersistentVolume was modified (-before +after):\n%s", diff)
	}
	return got, err
}

func TestFileSystemTarget(t *testing.T) {
	t.Parallel()
	ofNAS, ofOSS, ofDisk := csi(volume.DriverNAS), csi(volume.DriverOSS), csi(volume.DriverDisk)
	inTree := func(server string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: server, Path: "/data"}}
	}
	target := func(class, provisioner string, change ...func(*storageclass.FileSystemTarget)) storageclass.FileSystemTarget {
		target := storageclass.FileSystemTarget{
			Class: class, Provisioner: provisioner, Size: resource.MustParse("40Gi"), Modes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
		}
		for _, change := range change {
			change(&target)
		}
		return target
	}
	once := func(t *storageclass.FileSystemTarget) {
		t.Modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	byRule := func(t *storageclass.FileSystemTarget) { t.ByRule = true }
	size := func(text string) func(*storageclass.FileSystemTarget) {
		return func(t *storageclass.FileSystemTarget) { t.Size = resource.MustParse(text) }
	}
	missing := "{disk: essd, nas: nas}"
	cases := map[string]struct {
		settings map[string]string
		upstream map[string]string
		zones    []string
		pv       *corev1.PersistentVolume
		want     storageclass.FileSystemTarget
	}{
		"NAS is provisioned by the class that it had": {
			pv: volumeOf("nas", ofNAS), want: target("nas", volume.DriverNAS),
		},
		"NAS of a class that says nothing of directories gets one of its own": {
			pv: volumeOf("nas-by-default", ofNAS), want: target("nas-by-default", volume.DriverNAS),
		},
		"NAS of FlexVolume is provisioned by a class of CSI": {
			pv: volumeOf("nas", flexVolume(volume.FlexDriverNAS)), want: target("nas", volume.DriverNAS),
		},
		"NAS that is mounted as NFS is provisioned by the class that it had": {
			pv: volumeOf("nas", inTree("0cd8b4a576-abc12.cn-hangzhou.nas.aliyuncs.com")), want: target("nas", volume.DriverNAS),
		},
		"OSS is provisioned by the class that it had": {
			pv: volumeOf("oss", ofOSS), want: target("oss", volume.DriverOSS),
		},
		"a disk is provisioned by the class that it had, and mounted by one node": {
			pv: volumeOf("essd", ofDisk), want: target("essd", volume.DriverDisk, once),
		},
		"a class that the driver refuses is not the settings' fault": {
			pv: volumeOf("broken", ofDisk), want: target("broken", volume.DriverDisk, once),
		},
		"another driver's volume is provisioned by the class that it had": {
			pv: volumeOf("ceph", csi("ceph.example.com")), want: target("ceph", "ceph.example.com"),
		},
		"a node's storage is provisioned by the class that it had": {
			pv: volumeOf("lvm", csi(volume.DriverLocal)), want: target("lvm", volume.DriverLocal),
		},
		"a volume without a class is a new directory":               {pv: volumeOf("", ofNAS)},
		"a volume of a class that is not here is a new directory":   {pv: volumeOf("gone", ofNAS)},
		"a volume of a class of FlexVolume is a new directory":      {pv: volumeOf("flex", flexVolume(volume.FlexDriverNAS))},
		"NAS whose class here is one of disks is a new directory":   {pv: volumeOf("essd", ofNAS)},
		"NFS whose class here is one of NAS is a new directory":     {pv: volumeOf("nas", inTree("10.0.0.1"))},
		"a class whose volumes are one directory is not used again": {pv: volumeOf("nas-sharepath", ofNAS)},
		"a class whose volumes are one prefix is not used again":    {pv: volumeOf("oss-by-default", ofOSS)},
		"a rule about nothing but a capacity leaves a new directory": {
			settings: map[string]string{"rules": "[{from: gone, to: {capacity: 60Gi}}]"}, pv: volumeOf("gone", ofNAS),
		},
		"a rule about capacity and modes leaves the class": {
			settings: map[string]string{"rules": "[{from: nas, to: {capacity: 60Gi, accessModes: [ReadWriteOnce]}}]"},
			pv:       volumeOf("nas", ofNAS), want: target("nas", volume.DriverNAS, size("60Gi"), once),
		},
		"NAS becomes a disk, which one node mounts and which is as large as its type asks": {
			settings: map[string]string{"nas": "pl2"},
			pv:       volumeOf("nas", ofNAS), want: target("pl2", volume.DriverDisk, once, byRule, size("461Gi")),
		},
		"NAS becomes a disk of the size of the rule": {
			settings: map[string]string{"rules": "[{from: gone, names: [data], to: {class: essd, capacity: 60Gi, accessModes: [ReadWriteOnce]}}]"},
			pv:       volumeOf("gone", ofNAS), want: target("essd", volume.DriverDisk, once, byRule, size("60Gi")),
		},
		"OSS becomes NAS": {
			settings: map[string]string{"oss": "nas"}, pv: volumeOf("oss", ofOSS), want: target("nas", volume.DriverNAS, byRule),
		},
		"NAS becomes OSS": {
			settings: map[string]string{"nas": "oss"}, pv: volumeOf("nas", ofNAS), want: target("oss", volume.DriverOSS, byRule),
		},
		"the files of a disk become NAS": {
			settings: map[string]string{"essd": "nas"}, pv: volumeOf("essd", ofDisk), want: target("nas", volume.DriverNAS, byRule),
		},
		"another driver's volume becomes another of that driver": {
			settings: map[string]string{"old": "ceph"},
			pv:       volumeOf("old", csi("ceph.example.com")), want: target("ceph", "ceph.example.com", byRule),
		},
		"a rule by labels, which are not known, does not hold": {
			settings: map[string]string{"rules": "[{from: nas, selector: {matchLabels: {a: b}}, to: {class: essd}}]"},
			pv:       volumeOf("nas", ofNAS), want: target("nas", volume.DriverNAS),
		},
		"the class of Velero's own action, which need not wait for Pods": {
			upstream: map[string]string{"nas": "immediate"}, zones: []string{"cn-hangzhou-h", "cn-hangzhou-k"},
			pv: volumeOf("nas", ofNAS), want: target("immediate", volume.DriverDisk, once, byRule),
		},
		"a rule wins over Velero's own action": {
			settings: map[string]string{"nas": "essd"}, upstream: map[string]string{"nas": "shared"},
			pv: volumeOf("nas", ofNAS), want: target("essd", volume.DriverDisk, once, byRule),
		},
		"a class of NAS takes the place of a missing one of NAS": {
			settings: map[string]string{"missingClasses": missing},
			pv:       volumeOf("gone", flexVolume(volume.FlexDriverNAS)), want: target("nas", volume.DriverNAS, byRule),
		},
		"a class of disks takes the place of a missing one of disks": {
			settings: map[string]string{"missingClasses": missing},
			pv:       volumeOf("gone", ofDisk), want: target("essd", volume.DriverDisk, once, byRule),
		},
		"a class of NAS takes the place of another one that Pods shared": {
			settings: map[string]string{"missingClasses": missing},
			pv:       volumeOf("gone", csi("ceph.example.com")), want: target("nas", volume.DriverNAS, byRule),
		},
		"nothing takes the place of a missing class of OSS": {
			settings: map[string]string{"missingClasses": missing}, pv: volumeOf("gone", ofOSS),
		},
		"a class that is here is not replaced": {
			settings: map[string]string{"missingClasses": missing}, pv: volumeOf("nas", ofNAS), want: target("nas", volume.DriverNAS),
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := &fakeCluster{classes: classesForFiles(), zones: test.zones}
			if test.settings != nil {
				cluster.configMaps = append(cluster.configMaps, *configMap(test.settings))
			}
			if test.upstream != nil {
				cluster.configMaps = append(cluster.configMaps, upstream(test.upstream))
			}
			got, err := fileSystemTarget(t, cluster, test.pv)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
			noted := test.pv.DeepCopy()
			noted.Annotations = map[string]string{volume.AnnotationTarget: got.String()}
			noted.Spec.StorageClassName, noted.Spec.ClaimRef = got.Class, nil
			again, err := fileSystemTarget(t, cluster, noted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("target when it is noted (-first +again):\n%s", diff)
			}
		})
	}
}

// refusals are what a conversion is refused for.
func refusals() []error {
	return []error{
		storageclass.ErrMissing, storageclass.ErrProvisioner, storageclass.ErrMultiZoned, storageclass.ErrAccessMode,
		storageclass.ErrShrink, storageclass.ErrOneDirectory,
	}
}

func TestFileSystemsThatAreNotConverted(t *testing.T) {
	t.Parallel()
	errDown := errors.New("the API server is down")
	forbidden := apierrors.NewForbidden(storagev1.Resource("storageclasses"), "unread", errors.New("no rule"))
	rule := func(to string) map[string]string { return map[string]string{"rules": "- from: nas\n  to: " + to} }
	const converting = `ConfigMap velero/rules, key "rules", line 2: converting the volume of the claim shop/data: `
	block := volumeOf("nas", csi(volume.DriverDisk))
	block.Spec.VolumeMode = new(corev1.PersistentVolumeBlock)
	spoilt := volumeOf("nas", csi(volume.DriverNAS))
	spoilt.Annotations = map[string]string{volume.AnnotationTarget: "{"}
	ofNAS := volumeOf("nas", csi(volume.DriverNAS))
	withoutClient := ofNAS.DeepCopy()
	withoutClient.Annotations = map[string]string{volume.AnnotationProvisioner: volume.DriverNAS}
	cases := map[string]struct {
		settings map[string]string
		upstream map[string]string
		unread   error
		pv       *corev1.PersistentVolume
		want     string
		is       error
	}{
		"to a class that is missing": {
			settings: rule("{class: gone}"), pv: ofNAS, is: storageclass.ErrMissing,
			want: converting + `storageclass gone not exists: create it in this cluster, or name another: storageclasses.storage.k8s.io "gone" not found`,
		},
		"to a class of another driver": {
			settings: rule("{class: ceph}"), pv: ofNAS, is: storageclass.ErrProvisioner,
			want: converting + "only support convert to storageclass with CSI diskplugin or nasplugin provisioner: the provisioner of ceph is ceph.example.com",
		},
		"to a class of FlexVolume": {
			settings: rule("{class: flex}"), pv: ofNAS, is: storageclass.ErrProvisioner,
			want: converting + "only support convert to storageclass with CSI diskplugin or nasplugin provisioner: the provisioner of flex is alicloud/nas",
		},
		"to disks that do not wait in a cluster of several zones": {
			settings: rule("{class: immediate}"), pv: ofNAS, is: storageclass.ErrMultiZoned,
			want: converting + "current cluster is multi-zoned [cn-hangzhou-h cn-hangzhou-k], and the volumeBindingMode of immediate is Immediate: " +
				"name a class with WaitForFirstConsumer such as alicloud-disk-topology-alltype",
		},
		"to a volume that is the directory of others too": {
			settings: rule("{class: oss-by-default}"), pv: ofNAS, is: storageclass.ErrOneDirectory,
			want: converting + "StorageClass oss-by-default: the volumes of this class are one directory: name a class with the parameter volumeAs: subpath",
		},
		"to a smaller volume": {
			settings: rule("{class: essd, capacity: 20Gi}"), pv: ofNAS, is: storageclass.ErrShrink,
			want: converting + "a volume does not become smaller than it was: capacity 20Gi is asked for and 40Gi were backed up",
		},
		"to writers on several nodes of a disk": {
			settings: rule("{class: essd, accessModes: [ReadWriteMany]}"), pv: ofNAS, is: storageclass.ErrAccessMode,
			want: converting + "accessMode of PVC shop/data is ReadWriteMany: " + storageclass.ErrAccessMode.Error(),
		},
		"to a class whose parameters the driver refuses": {
			settings: rule("{class: broken}"), pv: ofNAS,
			want: converting + `StorageClass broken: parameter performanceLevel: "PL9": allowed are PL0, PL1, PL2 and PL3, separated by commas`,
		},
		"of a block device to NAS": {
			settings: rule("{class: nas}"), pv: block, is: storageclass.ErrProvisioner,
			want: converting + "only support convert to storageclass with CSI diskplugin or nasplugin provisioner: " +
				"a block device becomes a disk, and the provisioner of nas is nasplugin.csi.alibabacloud.com",
		},
		"of files that can be restored into their own kind of storage alone": {
			settings: rule("{class: essd}"), pv: withoutClient, is: storageclass.ErrProvisioner,
			want: converting + "only support convert to storageclass with CSI diskplugin or nasplugin provisioner: " +
				"without a client on a node Cloud Backup restores files into a volume of the kind that they were read of, nasplugin.csi.alibabacloud.com, " +
				"and the provisioner of essd is diskplugin.csi.alibabacloud.com; leave the volume out of the rule, or restore a backup that was made by the method node",
		},
		"by a class of Velero's own action that is missing": {
			upstream: map[string]string{"nas": "gone"}, pv: ofNAS, is: storageclass.ErrMissing,
			want: `ConfigMap velero/upstream, key "nas", line 1: converting the volume of the claim shop/data: storageclass gone not exists: ` +
				`create it in this cluster, or name another: storageclasses.storage.k8s.io "gone" not found`,
		},
		"by a class that cannot be read": {
			settings: rule("{class: unread}"), pv: ofNAS, unread: errDown, is: errDown,
			want: converting + "reading the StorageClass unread: the API server is down",
		},
		"by a class that may not be read": {
			settings: rule("{class: unread}"), pv: ofNAS, unread: forbidden, is: forbidden,
			want: converting + `reading the StorageClass unread: storageclasses.storage.k8s.io "unread" is forbidden: no rule`,
		},
		"where its own class cannot be read": {
			pv: volumeOf("unread", csi(volume.DriverNAS)), unread: errDown, is: errDown,
			want: "planning the volume of the claim shop/data: reading the StorageClass unread: the API server is down",
		},
		"where settings have a mistake": {
			settings: map[string]string{"rules": "- from: nas"}, pv: ofNAS,
			want: `ConfigMap velero/rules, key "rules", line 1: the key "to" is missing`,
		},
		"where what was noted is no target": {
			pv:   spoilt,
			want: "reading the annotation alibabacloud.com/pending-volume-target of the PersistentVolume pv-data: unexpected end of JSON input",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := &fakeCluster{classes: classesForFiles(), zones: []string{"cn-hangzhou-h", "cn-hangzhou-k"}, err: test.unread}
			if test.settings != nil {
				cluster.configMaps = append(cluster.configMaps, *configMap(test.settings))
			}
			if test.upstream != nil {
				cluster.configMaps = append(cluster.configMaps, upstream(test.upstream))
			}
			got, err := fileSystemTarget(t, cluster, test.pv)
			if err == nil {
				t.Fatalf("no error, but the target %v", got.String())
			}
			if slices.Contains(refusals(), test.is) != storageclass.IsRefusal(err) {
				t.Errorf("it is a refusal: %t", storageclass.IsRefusal(err))
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error (-want +got), to be of %v:\n%s", test.is, diff)
			}
		})
	}
}
