// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// flexVolumes restores objects of a cluster with FlexVolumes; its namespace shop is
// restored as market.
type flexVolumes struct {
	action  *restoreitemaction.FlexVolumeToCSI
	targets *restoreitemaction.DiskTargets
	api     client.Client
	logged  *logrustest.Hook
	restore *velerov1.Restore
}

func newFlexVolumes(t *testing.T, api client.Client) *flexVolumes {
	t.Helper()
	return newFlexVolumesIn(t, cluster.New(api, veleroNamespace), api)
}

// newFlexVolumesIn is newFlexVolumes with another cluster than that of the settings.
func newFlexVolumesIn(t *testing.T, here restoreitemaction.Clients, api client.Client) *flexVolumes {
	t.Helper()
	log, hook := logrustest.NewNullLogger()
	log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true})
	restore := newRestore("restore-1")
	restore.Spec.NamespaceMapping = map[string]string{"shop": "market"}
	reader := settings.NewReader(cluster.New(api, veleroNamespace))
	return &flexVolumes{
		action: restoreitemaction.NewFlexVolumeToCSI(log, reader, here), targets: restoreitemaction.NewDiskTargets(nil, reader),
		api: api, logged: hook, restore: restore,
	}
}

// execute returns what becomes of item, which was backed up as backedUp.
func (f *flexVolumes) execute(backedUp, item *unstructured.Unstructured) (*velero.RestoreItemActionExecuteOutput, error) {
	return f.action.Execute(&velero.RestoreItemActionExecuteInput{
		Item: item, ItemFromBackup: backedUp, Restore: f.restore,
	})
}

// created returns what is in the cluster, in YAML.
func (f *flexVolumes) created(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, list := range []client.ObjectList{&corev1.NamespaceList{}, &corev1.SecretList{}, &corev1.PersistentVolumeList{}, &corev1.PersistentVolumeClaimList{}} {
		if err := f.api.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		content, err := yaml.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var read struct{ Items []map[string]any }
		if err := yaml.Unmarshal(content, &read); err != nil {
			t.Fatal(err)
		}
		for _, item := range read.Items {
			delete(item, "status")
			unstructured.RemoveNestedField(item, "metadata", "resourceVersion")
			found = append(found, asYAML(t, item))
		}
	}
	return found
}

// lines returns what was logged at the level or above, with all fields.
func (f *flexVolumes) lines(t *testing.T, level logrus.Level) []string {
	t.Helper()
	var lines []string
	for _, entry := range f.logged.AllEntries() {
		if entry.Level > level {
			continue
		}
		line, err := entry.String()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	content, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// canonical returns YAML documents as asYAML writes them.
func canonical(t *testing.T, documents []string) []string {
	t.Helper()
	var written []string
	for _, document := range documents {
		var value any
		if err := yaml.Unmarshal([]byte(document), &value); err != nil {
			t.Fatal(err)
		}
		written = append(written, asYAML(t, value))
	}
	return written
}

// flexVolumeCase is an object as it was backed up, and what becomes of it.
type flexVolumeCase struct {
	backedUp string
	// item is what the snapshotter and other actions have made of it, backedUp if
	// it is empty.
	item    string
	want    string
	created []string
	logged  []string
}

func (test flexVolumeCase) run(t *testing.T) {
	t.Helper()
	f := newFlexVolumes(t, newAPI(t))
	backedUp, item := readObject(t, test.backedUp), readObject(t, test.backedUp)
	if test.item != "" {
		item = readObject(t, test.item)
	}
	before := item.DeepCopy()
	output, err := f.execute(backedUp, item)
	if err != nil {
		t.Fatal(err)
	}
	got := asUnstructured(t, output.UpdatedItem)
	if diff := cmp.Diff(readObject(t, test.want).Object, got.Object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.Object, item.Object); diff != "" {
		t.Errorf("the input was changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(canonical(t, test.created), f.created(t)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	again, err := f.execute(backedUp, got)
	if err != nil {
		t.Fatal(err)
	}
	if again.UpdatedItem != got {
		t.Errorf("a second time it becomes:\n%s", asYAML(t, again.UpdatedItem))
	}
	if diff := cmp.Diff(test.logged, f.lines(t, logrus.InfoLevel)); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}

// What is logged of volumes and classes of disk, nas, oss or cpfs.

func convertedVolume(name, kind, handle string) string {
	return `level=info msg="Converted the FlexVolume of a PersistentVolume to CSI" name=` + name + ` namespace= new=` + kind +
		`plugin.csi.alibabacloud.com old=alicloud/` + kind + ` resource=persistentvolumes volume=` + handle
}

func convertedClass(name, kind string) string {
	return `level=info msg="Converted a StorageClass of FlexVolume to CSI" name=` + name + ` namespace= new=` + kind +
		`plugin.csi.alibabacloud.com old=alicloud/` + kind + ` resource=storageclasses.storage.k8s.io`
}

func convertedInline(name, resource, podVolume, kind, claim string) string {
	return `level=info msg="Converted a FlexVolume to a claim for a CSI volume" name=` + name + ` namespace=shop new="PersistentVolumeClaim ` + claim +
		`" old=alicloud/` + kind + ` podVolume=` + podVolume + ` resource=` + resource
}

// createdFor is what is logged of an object that is created for another one.
func createdFor(fields, object string) string {
	return `level=info msg="Created what a converted FlexVolume needs" created="` + object + `" ` + fields
}

const labelsOfRestore = `{velero.io/backup-name: backup-1, velero.io/restore-name: restore-1}`

func TestPersistentVolumesBecomeCSI(t *testing.T) {
	t.Parallel()
	cases := map[string]flexVolumeCase{
		"a disk from a snapshot has the new disk's id, and the zone of its labels as node affinity": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: d-old
  labels: {failure-domain.beta.kubernetes.io/region: cn-beijing, failure-domain.beta.kubernetes.io/zone: cn-beijing-a}
  annotations: {pv.kubernetes.io/provisioned-by: alicloud/disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  claimRef: {kind: PersistentVolumeClaim, namespace: shop, name: data}
  flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-old}}
  storageClassName: alicloud-disk-ssd
`,
			item: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: d-new
  labels: {failure-domain.beta.kubernetes.io/region: cn-beijing, failure-domain.beta.kubernetes.io/zone: cn-beijing-k}
  annotations: {pv.kubernetes.io/provisioned-by: alicloud/disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  claimRef: {kind: PersistentVolumeClaim, namespace: market, name: data}
  flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-new}}
  storageClassName: alicloud-disk-essd
  fieldOfTomorrow: {kept: true}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: d-new
  labels: {failure-domain.beta.kubernetes.io/region: cn-beijing, failure-domain.beta.kubernetes.io/zone: cn-beijing-k}
  annotations: {pv.kubernetes.io/provisioned-by: diskplugin.csi.alibabacloud.com}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  claimRef: {kind: PersistentVolumeClaim, namespace: market, name: data}
  csi: {driver: diskplugin.csi.alibabacloud.com, fsType: ext4, volumeHandle: d-new}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-beijing-k]}]
  storageClassName: alicloud-disk-essd
  fieldOfTomorrow: {kept: true}
`,
			logged: []string{convertedVolume("d-new", "disk", "d-new")},
		},
		"a disk that says nothing of its zone, or names it to the scheduler, keeps that": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: static, labels: {topology.kubernetes.io/zone: cn-beijing-a}}
spec:
  flexVolume: {driver: alicloud/disk, readOnly: true, options: {volumeId: d-1}}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: static, labels: {topology.kubernetes.io/zone: cn-beijing-a}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, readOnly: true, volumeHandle: d-1}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}
`,
			logged: []string{convertedVolume("static", "disk", "d-1")},
		},
		"NAS has the options that its driver was given": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-nas, annotations: {pv.kubernetes.io/provisioned-by: alicloud/nas, kubectl.kubernetes.io/last-applied-configuration: "{}"}}
spec:
  flexVolume: {driver: alicloud/nas, options: {server: x.cn-beijing.nas.aliyuncs.com, path: /k8s, vers: "3", options: "nolock,tcp,noresvport"}}
  mountOptions: [vers=4.0]
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-nas, annotations: {pv.kubernetes.io/provisioned-by: nasplugin.csi.alibabacloud.com, kubectl.kubernetes.io/last-applied-configuration: "{}"}}
spec:
  csi:
    driver: nasplugin.csi.alibabacloud.com
    volumeHandle: pv-nas
    volumeAttributes: {server: x.cn-beijing.nas.aliyuncs.com, path: /k8s}
  mountOptions: ["nolock,tcp,noresvport", vers=3]
`,
			logged: []string{convertedVolume("pv-nas", "nas", "pv-nas")},
		},
		"the AccessKey of a bucket becomes a Secret where the claim is restored, and is left nowhere else": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pv-oss
  annotations: {a: b, kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"flexVolume":{"options":{"akSecret":"ak-secret"}}}}'}
spec:
  claimRef: {namespace: shop, name: docs}
  flexVolume:
    driver: alicloud/oss
    options: {bucket: docs, url: oss-cn-beijing.aliyuncs.com, otherOpts: "-o max_stat_cache_size=0 -o allow_other", akId: ak-id, akSecret: ak-secret}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss, annotations: {a: b}}
spec:
  claimRef: {namespace: shop, name: docs}
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: pv-oss
    nodePublishSecretRef: {namespace: market, name: pv-oss-access-key}
    volumeAttributes: {bucket: docs, url: oss-cn-beijing.aliyuncs.com, otherOpts: "-o max_stat_cache_size=0 -o allow_other"}
`,
			created: []string{`
metadata: {namespace: market, name: pv-oss-access-key, creationTimestamp: null, labels: ` + labelsOfRestore + `}
type: Opaque
data: {akId: YWstaWQ=, akSecret: YWstc2VjcmV0}
`},
			logged: []string{
				createdFor("name=pv-oss namespace= resource=persistentvolumes", "Secret market/pv-oss-access-key"),
				convertedVolume("pv-oss", "oss", "pv-oss"),
			},
		},
		"a bucket that no claim is bound to has its Secret beside Velero": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: ` + strings.Repeat("x", 250) + `}
spec: {flexVolume: {driver: alicloud/oss, options: {bucket: docs, url: u, akId: ak-id, akSecret: ak-secret}}}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: ` + strings.Repeat("x", 250) + `}
spec:
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: ` + strings.Repeat("x", 250) + `
    nodePublishSecretRef: {namespace: velero, name: flexvolume-086d4a1c293bde31-access-key}
    volumeAttributes: {bucket: docs, url: u, otherOpts: "-o allow_other"}
`,
			created: []string{`
metadata: {namespace: velero, name: flexvolume-086d4a1c293bde31-access-key, creationTimestamp: null, labels: ` + labelsOfRestore + `}
type: Opaque
data: {akId: YWstaWQ=, akSecret: YWstc2VjcmV0}
`},
			logged: []string{
				createdFor("name="+strings.Repeat("x", 250)+" namespace= resource=persistentvolumes", "Secret velero/flexvolume-086d4a1c293bde31-access-key"),
				convertedVolume(strings.Repeat("x", 250), "oss", strings.Repeat("x", 250)),
			},
		},
		"a Secret is referred to where it is restored, also where another action has mapped it already": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: other, name: docs}
  flexVolume: {driver: alicloud/oss, secretRef: {namespace: shop, name: keys}, options: {bucket: docs, url: u}}
`,
			item: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: other, name: docs}
  flexVolume: {driver: alicloud/oss, secretRef: {namespace: market, name: keys}, options: {bucket: docs, url: u}}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: other, name: docs}
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: pv-oss
    nodePublishSecretRef: {namespace: market, name: keys}
    volumeAttributes: {bucket: docs, url: u, otherOpts: "-o allow_other"}
`,
			logged: []string{convertedVolume("pv-oss", "oss", "pv-oss")},
		},
		"a Secret without a namespace is in that of the claim, and comes before keys in the clear": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: shop, name: docs}
  flexVolume: {driver: alicloud/oss, secretRef: {name: keys}, options: {bucket: docs, url: u, akId: ak-id, akSecret: ak-secret}}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: shop, name: docs}
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: pv-oss
    nodePublishSecretRef: {namespace: market, name: keys}
    volumeAttributes: {bucket: docs, url: u, otherOpts: "-o allow_other"}
`,
			logged: []string{convertedVolume("pv-oss", "oss", "pv-oss")},
		},
		"a Secret without a namespace is in that of the claim, also where the backup has the volume held back": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss, annotations: {alibabacloud.com/volume-ready: '{"claim":{"namespace":"shop","name":"docs"}}'}}
spec:
  claimRef: {namespace: velero, name: held}
  flexVolume: {driver: alicloud/oss, secretRef: {name: keys}, options: {bucket: docs, url: u}}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss, annotations: {alibabacloud.com/volume-ready: '{"claim":{"namespace":"shop","name":"docs"}}'}}
spec:
  claimRef: {namespace: velero, name: held}
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: pv-oss
    nodePublishSecretRef: {namespace: market, name: keys}
    volumeAttributes: {bucket: docs, url: u, otherOpts: "-o allow_other"}
`,
			logged: []string{convertedVolume("pv-oss", "oss", "pv-oss")},
		},
		"CPFS": {
			backedUp: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-cpfs}
spec: {flexVolume: {driver: alicloud/cpfs, options: {server: cpfs-1@tcp, fileSystem: fs, subPath: a}}}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-cpfs}
spec:
  csi: {driver: cpfsplugin.csi.alibabacloud.com, volumeHandle: pv-cpfs, volumeAttributes: {server: cpfs-1@tcp, fileSystem: fs, subPath: /a}}
`,
			logged: []string{convertedVolume("pv-cpfs", "cpfs", "pv-cpfs")},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

func TestStorageClassesBecomeCSI(t *testing.T) {
	t.Parallel()
	cases := map[string]flexVolumeCase{
		"a class of disks, with the zones that it allows": {
			backedUp: `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: alicloud-disk-topology}
provisioner: alicloud/disk
parameters: {type: cloud_essd, regionid: cn-beijing}
reclaimPolicy: Retain
volumeBindingMode: WaitForFirstConsumer
allowedTopologies:
- matchLabelExpressions: [{key: failure-domain.beta.kubernetes.io/zone, values: [cn-beijing-a]}]
`,
			want: `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: alicloud-disk-topology}
provisioner: diskplugin.csi.alibabacloud.com
parameters: {type: cloud_essd}
reclaimPolicy: Retain
volumeBindingMode: WaitForFirstConsumer
allowedTopologies:
- matchLabelExpressions: [{key: topology.diskplugin.csi.alibabacloud.com/zone, values: [cn-beijing-a]}]
`,
			logged: []string{convertedClass("alicloud-disk-topology", "disk")},
		},
		"a class of an old API version, without parameters": {
			backedUp: `
apiVersion: storage.k8s.io/v1beta1
kind: StorageClass
metadata: {name: disk}
provisioner: alicloud/disk
`,
			want: `
apiVersion: storage.k8s.io/v1beta1
kind: StorageClass
metadata: {name: disk}
provisioner: diskplugin.csi.alibabacloud.com
`,
			logged: []string{convertedClass("disk", "disk")},
		},
		"a class of NAS": {
			backedUp: `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: alicloud-nas}
provisioner: alicloud/nas
parameters: {server: "x.cn-beijing.nas.aliyuncs.com:/nasroot1/", driver: flexvolume}
mountOptions: ["nolock,tcp,noresvport", vers=3]
`,
			want: `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: alicloud-nas}
provisioner: nasplugin.csi.alibabacloud.com
parameters: {server: "x.cn-beijing.nas.aliyuncs.com:/nasroot1/", volumeAs: subpath}
mountOptions: ["nolock,tcp,noresvport", vers=3]
`,
			logged: []string{convertedClass("alicloud-nas", "nas")},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

func TestInlineVolumesBecomeClaims(t *testing.T) {
	t.Parallel()
	// Names must not change between versions of the plugin, or a restore that is
	// repeated makes another claim.
	const (
		diskName    = "flexvolume-1b065cd1c3f8cfcc"
		keyName     = "flexvolume-5016157be0d84f9c"
		secretName  = "flexvolume-8c4930cd26879a5b"
		nasName     = "flexvolume-9ed9a5cb3671788f"
		ossVolume   = "driver: ossplugin.csi.alibabacloud.com, volumeAttributes: {bucket: docs, url: u, otherOpts: -o allow_other}"
		ofNAS       = "driver: nasplugin.csi.alibabacloud.com, volumeAttributes: {server: x.nas.aliyuncs.com}, volumeHandle: " + nasName
		ofKey       = ossVolume + ", volumeHandle: " + keyName + ", nodePublishSecretRef: {namespace: market, name: " + keyName + "-access-key}"
		ofSecret    = ossVolume + ", volumeHandle: " + secretName + ", nodePublishSecretRef: {namespace: market, name: keys}"
		ofDisk      = "driver: diskplugin.csi.alibabacloud.com, fsType: ext4, volumeHandle: d-1"
		once, often = "ReadWriteOnce", "ReadWriteMany"
	)
	volumeOf := func(name, mode, csi, mountOptions string) string {
		return `
metadata: {name: ` + name + `, creationTimestamp: null, labels: ` + labelsOfRestore + `}
spec:
  accessModes: [` + mode + `]
  capacity: {storage: 20Gi}
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: market, name: ` + name + `}
  csi: {` + csi + `}
` + mountOptions + `  persistentVolumeReclaimPolicy: Retain
`
	}
	claimOf := func(name, mode string) string {
		return `
metadata: {namespace: market, name: ` + name + `, creationTimestamp: null, labels: ` + labelsOfRestore + `}
spec:
  accessModes: [` + mode + `]
  resources: {requests: {storage: 20Gi}}
  storageClassName: ""
  volumeName: ` + name + `
`
	}
	const secretOfKey = `
metadata: {namespace: market, name: ` + keyName + `-access-key, creationTimestamp: null, labels: ` + labelsOfRestore + `}
type: Opaque
data: {akId: YWstaWQ=, akSecret: YWstc2VjcmV0}
`
	createdKey := []string{secretOfKey, volumeOf(keyName, often, ofKey, ""), claimOf(keyName, often)}
	createdDisk := []string{volumeOf(diskName, once, ofDisk, ""), claimOf(diskName, once)}
	cases := map[string]flexVolumeCase{
		"a disk of a Pod, beside other volumes": {
			backedUp: `
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web}
spec:
  containers: [{name: web, volumeMounts: [{name: data, mountPath: /data}]}]
  volumes:
  - {name: scratch, emptyDir: {}}
  - {name: data, flexVolume: {driver: alicloud/disk, fsType: ext4, options: {volumeId: d-1}}}
  - {name: foreign, flexVolume: {driver: acme/disk, options: {volumeId: d-2}}}
`,
			want: `
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web}
spec:
  containers: [{name: web, volumeMounts: [{name: data, mountPath: /data}]}]
  volumes:
  - {name: scratch, emptyDir: {}}
  - {name: data, persistentVolumeClaim: {claimName: ` + diskName + `}}
  - {name: foreign, flexVolume: {driver: acme/disk, options: {volumeId: d-2}}}
`,
			created: createdDisk,
			logged: []string{
				createdFor("name=web namespace=shop resource=pods", "PersistentVolume /"+diskName),
				createdFor("name=web namespace=shop resource=pods", "PersistentVolumeClaim market/"+diskName),
				convertedInline("web", "pods", "data", "disk", diskName),
			},
		},
		"the same disk in the template of a workload of an old API version": {
			backedUp: `
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {namespace: shop, name: web}
spec: {template: {spec: {volumes: [{name: disk, flexVolume: {driver: alicloud/disk, fsType: ext4, readOnly: true, options: {VolumeId: d-1}}}]}}}
`,
			want: `
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {namespace: shop, name: web}
spec: {template: {spec: {volumes: [{name: disk, persistentVolumeClaim: {claimName: ` + diskName + `, readOnly: true}}]}}}
`,
			created: createdDisk,
			logged: []string{
				createdFor("name=web namespace=shop resource=deployments.extensions", "PersistentVolume /"+diskName),
				createdFor("name=web namespace=shop resource=deployments.extensions", "PersistentVolumeClaim market/"+diskName),
				convertedInline("web", "deployments.extensions", "disk", "disk", diskName),
			},
		},
		"a bucket and NAS of a CronJob": {
			backedUp: `
apiVersion: batch/v1beta1
kind: CronJob
metadata: {namespace: shop, name: report}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          volumes:
          - {name: a, flexVolume: {driver: alicloud/oss, options: {bucket: docs, url: u, akId: ak-id, akSecret: ak-secret}}}
          - {name: b, flexVolume: {driver: alicloud/oss, secretRef: {name: keys}, options: {bucket: docs, url: u}}}
          - {name: c, flexVolume: {driver: alicloud/nas, options: {server: x.nas.aliyuncs.com, vers: "4.0"}}}
`,
			want: `
apiVersion: batch/v1beta1
kind: CronJob
metadata: {namespace: shop, name: report}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          volumes:
          - {name: a, persistentVolumeClaim: {claimName: ` + keyName + `}}
          - {name: b, persistentVolumeClaim: {claimName: ` + secretName + `}}
          - {name: c, persistentVolumeClaim: {claimName: ` + nasName + `}}
`,
			created: []string{
				secretOfKey,
				volumeOf(keyName, often, ofKey, ""),
				volumeOf(secretName, often, ofSecret, ""),
				volumeOf(nasName, often, ofNAS, "  mountOptions: [vers=4.0]\n"),
				claimOf(keyName, often), claimOf(secretName, often), claimOf(nasName, often),
			},
			logged: []string{
				createdFor("name=report namespace=shop resource=cronjobs.batch", "Secret market/"+keyName+"-access-key"),
				createdFor("name=report namespace=shop resource=cronjobs.batch", "PersistentVolume /"+keyName),
				createdFor("name=report namespace=shop resource=cronjobs.batch", "PersistentVolumeClaim market/"+keyName),
				convertedInline("report", "cronjobs.batch", "a", "oss", keyName),
				createdFor("name=report namespace=shop resource=cronjobs.batch", "PersistentVolume /"+secretName),
				createdFor("name=report namespace=shop resource=cronjobs.batch", "PersistentVolumeClaim market/"+secretName),
				convertedInline("report", "cronjobs.batch", "b", "oss", secretName),
				createdFor("name=report namespace=shop resource=cronjobs.batch", "PersistentVolume /"+nasName),
				createdFor("name=report namespace=shop resource=cronjobs.batch", "PersistentVolumeClaim market/"+nasName),
				convertedInline("report", "cronjobs.batch", "c", "nas", nasName),
			},
		},
		"a bucket in the revision of a StatefulSet, of which no AccessKey is left": {
			backedUp: `
apiVersion: apps/v1
kind: ControllerRevision
metadata:
  namespace: shop
  name: web-1
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"options":{"akSecret":"ak-secret"}}'}
revision: 1
data:
  spec:
    template:
      $patch: replace
      spec: {volumes: [{name: a, flexVolume: {driver: alicloud/oss, options: {bucket: docs, url: u, akId: ak-id, akSecret: ak-secret}}}]}
`,
			want: `
apiVersion: apps/v1
kind: ControllerRevision
metadata: {namespace: shop, name: web-1}
revision: 1
data:
  spec:
    template:
      $patch: replace
      spec: {volumes: [{name: a, persistentVolumeClaim: {claimName: ` + keyName + `}}]}
`,
			created: createdKey,
			logged: []string{
				createdFor("name=web-1 namespace=shop resource=controllerrevisions.apps", "Secret market/"+keyName+"-access-key"),
				createdFor("name=web-1 namespace=shop resource=controllerrevisions.apps", "PersistentVolume /"+keyName),
				createdFor("name=web-1 namespace=shop resource=controllerrevisions.apps", "PersistentVolumeClaim market/"+keyName),
				convertedInline("web-1", "controllerrevisions.apps", "a", "oss", keyName),
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

// TestFlexVolumesThatStay holds that what the action is not about comes back as it came.
func TestFlexVolumesThatStay(t *testing.T) {
	t.Parallel()
	const disk = `{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: {flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}}`
	cases := map[string]struct {
		object   string
		settings map[string]string
		logged   []string
	}{
		"a FlexVolume of somebody else": {
			object: `{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: {flexVolume: {driver: acme/disk, options: {volumeId: d-1}}}}`,
		},
		"a CSI volume": {
			object: `{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}}`,
		},
		"a StorageClass of somebody else": {
			object: `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: gp2}, provisioner: kubernetes.io/aws-ebs}`,
		},
		"a Pod without FlexVolumes": {
			object: `{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: a}, spec: {volumes: [{name: x, emptyDir: {}}]}}`,
		},
		"what has no PodSpec": {
			object: `{apiVersion: v1, kind: ConfigMap, metadata: {namespace: shop, name: a}}`,
		},
		"everything where the action is turned off": {
			object:   disk,
			settings: map[string]string{"enabled": "false"},
		},
		"a disk without an id, with a warning": {
			object: `{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: {flexVolume: {driver: alicloud/disk}}}`,
			logged: []string{`level=warning msg="Leaving a FlexVolume as it is" error="a FlexVolume of alicloud/disk has no option volumeId" name=a namespace= resource=persistentvolumes`},
		},
		"a Pod of which one volume has no id, with a warning": {
			object: `
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: a}
spec:
  volumes:
  - {name: good, flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}
  - {name: bad, flexVolume: {driver: alicloud/disk}}
`,
			logged: []string{`level=warning msg="Leaving a FlexVolume as it is" error="the volume bad: a FlexVolume of alicloud/disk has no option volumeId" name=a namespace=shop resource=pods`},
		},
		"a PersistentVolume whose claim is no claim, with a warning": {
			object: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: a}
spec: {claimRef: none, flexVolume: {driver: alicloud/oss, options: {bucket: b, url: u}}}
`,
			logged: []string{`level=warning msg="Leaving a FlexVolume as it is" error="reading a PersistentVolume: cannot restore struct from: string" name=a namespace= resource=persistentvolumes`},
		},
		"a StorageClass with parameters that are none, with a warning": {
			object: `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: a}, provisioner: alicloud/nas, parameters: {server: 1}}`,
			logged: []string{`level=warning msg="Leaving a FlexVolume as it is" error="reading the parameters: .parameters accessor error: contains non-string value in the map under key \"server\": 1 is of the type int64, expected string" name=a namespace= resource=storageclasses.storage.k8s.io`},
		},
		"a Pod with options that are none, with a warning": {
			object: `{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: a}, spec: {volumes: [{name: x, flexVolume: {driver: alicloud/nas, options: [a]}}]}}`,
			logged: []string{`level=warning msg="Leaving a FlexVolume as it is" error="reading the volume x: cannot restore map from slice" name=a namespace=shop resource=pods`},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlexVolumes(t, newAPI(t, configMapOf("flexvolume-to-csi", test.settings)))
			item := readObject(t, test.object)
			output, err := f.execute(item.DeepCopy(), item)
			if err != nil {
				t.Fatal(err)
			}
			if output.UpdatedItem != item {
				t.Errorf("it becomes:\n%s", asYAML(t, output.UpdatedItem))
			}
			if diff := cmp.Diff(readObject(t, test.object).Object, item.Object); diff != "" {
				t.Errorf("the input was changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff([]string(nil), f.created(t)); diff != "" {
				t.Errorf("created (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.logged, f.lines(t, logrus.InfoLevel)); diff != "" {
				t.Errorf("logged (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlexVolumeSettingsThatAreWrong(t *testing.T) {
	t.Parallel()
	f := newFlexVolumes(t, newAPI(t, configMapOf("flexvolume-to-csi", map[string]string{"enabled": "often"})))
	volume := readObject(t, `{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: {flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}}`)
	_, err := f.execute(volume, volume)
	if made := f.targets.CheckFlexVolume(t.Context(), f.restore); made == nil || err == nil || made.Error() != err.Error() {
		t.Errorf("the PersistentVolume has the error %v, and before its disk is made there is the error %v", err, made)
	}
	want := `ConfigMap velero/flexvolume-to-csi, key "enabled", line 1: "often": allowed is true or false`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	pod := readObject(t, `{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}}`)
	output, err := f.execute(pod, pod)
	if err != nil || output.UpdatedItem != pod {
		t.Errorf("a Pod that the action is not about becomes %v, with the error %v", output, err)
	}
}

func TestFlexVolumeToCSIAppliesToWhatItCanChange(t *testing.T) {
	t.Parallel()
	got, err := newFlexVolumes(t, newAPI(t)).action.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	want := velero.ResourceSelector{IncludedResources: []string{
		"cronjobs.batch", "daemonsets.apps", "daemonsets.extensions", "deployments.apps", "deployments.extensions", "jobs.batch",
		"pods", "replicasets.apps", "replicasets.extensions", "replicationcontrollers", "statefulsets.apps",
		"controllerrevisions.apps", "persistentvolumeclaims", "persistentvolumes", "storageclasses.storage.k8s.io",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// TestFlexVolumesOfOldAPIVersions holds that it does not matter whether the
// volumes of an object are converted first, or its API version is.
func TestFlexVolumesOfOldAPIVersions(t *testing.T) {
	t.Parallel()
	const deployment = `
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {namespace: shop, name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {spec: {volumes: [{name: disk, flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}]}}
`
	f := newFlexVolumes(t, newAPI(t))
	convert := func(item *unstructured.Unstructured) *unstructured.Unstructured {
		output, err := f.execute(readObject(t, deployment), item)
		if err != nil {
			t.Fatal(err)
		}
		return asUnstructured(t, output.UpdatedItem)
	}
	upgrade := func(item *unstructured.Unstructured) *unstructured.Unstructured {
		return newOldVersions(kubernetes122()).execute(t, "restore-1", item)
	}
	volumesFirst := upgrade(convert(readObject(t, deployment)))
	versionFirst := convert(upgrade(readObject(t, deployment)))
	if diff := cmp.Diff(volumesFirst.Object, versionFirst.Object); diff != "" {
		t.Errorf("object (-volumes first +version first):\n%s", diff)
	}
	if got := volumesFirst.GetAPIVersion(); got != "apps/v1" {
		t.Errorf("it has the version %s", got)
	}
}
